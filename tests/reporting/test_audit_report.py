"""What a report shows of an audit and of the splits: tables, and examples of drawn faces."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from prepared_fixtures import brightened, picture, write_prepared
from refer.datasets.audit import audit
from refer.datasets.split import split
from refer.datasets.split_counts import keep_split_counts
from refer.datasets.splitting import Scheme
from refer.errors import UserError
from refer.reporting.audit import read_audit
from refer.reporting.figures.examples import draw_examples
from refer.reporting.tables.listings import write_audit
from refer.reporting.tables.splits import read_splits, split_table, write_splits
from report_fixtures import written_in

SHARES = Scheme(shares={"train": 0.7, "val": 0.15, "test": 0.15})


@pytest.fixture(scope="module")
def viri(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with prepared/ and audit/ of pairs, of which one has a near duplicate of another label."""
    folder = tmp_path_factory.mktemp("viri")
    rows = [
        {
            "pixels": picture(2 * number + camera, 224, 3),
            "label": number % 2,
            "modality": modality,
            "pair": f"p{number}",
        }
        for number in range(20)
        for camera, modality in enumerate(("visible", "infrared"))
    ]
    rows[2] |= {"pixels": brightened(rows[0]["pixels"], 9)}
    rows[5] |= {"pixels": rows[17]["pixels"]}
    rows.append({"pixels": picture(99, 224, 3), "label": 0, "modality": "infrared"})
    write_prepared(folder / "prepared", "viri", rows)
    audit("viri", folder / "prepared", folder / "audit")
    for protocol in ("published", "audited"):
        out = folder / f"splits/viri-standin/naseem2025.{protocol}.parquet"
        split(folder / "prepared", folder / "audit", out, scheme=SHARES, audited=protocol == "audited")
    return folder


def splits_of(folder: Path) -> list[Path]:
    return kept(
        [folder / f"splits/viri-standin/naseem2025.{protocol}.parquet" for protocol in ("published", "audited")]
    )


def kept(splits: list[Path]) -> list[Path]:
    """What the files say of themselves, as it stands with the predictions."""
    for path in splits:
        keep_split_counts(path, path.with_suffix(".json"))
    return [path.with_suffix(".json") for path in splits]


def test_the_table_of_an_audit_with_cameras_and_near_duplicates(viri: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / f"audit{suffix}" for suffix in (".csv", ".md", ".tex", ".html")]
    write_audit(viri / "audit/audit.json", outputs)
    count = pd.read_csv(outputs[0]).set_index("finding")["count"]
    assert count["pairs of near duplicates"] == 1
    assert count["unpaired infrared images"] == 1
    assert count["complete pairs"] == 20
    text = outputs[1].read_text()
    for line in (
        r"Pairs of near duplicates +\| +1 \|",
        r"Groups with near duplicates that carry different labels +\| +1 \| +1 \| 100\.0",
        r"Infrared images +\| +21 \| +41 \|",
        r"Pairs of visible and infrared images +\| +20 \|",
        r"Raw data: files without a face +\| +2 \|",
    ):
        assert re.search(line, text), line
    assert "cross splits" not in text, "there is one split"
    assert "Who is in the images is not known" in text


def test_an_audit_by_an_older_version_has_a_table_too(viri: Path, tmp_path: Path) -> None:
    found = json.loads((viri / "audit/audit.json").read_text())
    for key in ("near", "modalities", "pairs", "notes"):
        del found[key]
    (tmp_path / "audit.json").write_text(json.dumps(found))
    assert read_audit(tmp_path / "audit.json").near is None
    write_audit(tmp_path / "audit.json", [tmp_path / "a.md"])
    assert "ear duplicates" not in (tmp_path / "a.md").read_text()


def test_the_table_of_splits(viri: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / f"split{suffix}" for suffix in (".csv", ".md", ".html")]
    write_splits(splits_of(viri), outputs)
    rows = pd.read_csv(outputs[0], keep_default_na=False)
    assert rows.groupby("protocol")["images"].sum().to_dict() == {"published": 41, "audited": 41}
    published = rows[rows["protocol"] == "published"].groupby(["part", "modality"])["images"].sum()
    assert published["train", "visible"] == 14
    text = outputs[1].read_text()
    assert re.search(r"\| published +\| train +\| visible +\| +7 \| +7 \| +0 \| +0 \| +0 \| +14 \| +– \| +– \|", text)
    assert re.search(r"\| audited +\| train +\| visible", text)
    assert "train 70 %, val 15 %, test 15 % of each class" in text
    assert "Who is in the images is not known, so people may be in several splits." in text
    assert "Drawn stand-in data" in text
    assert read_splits(splits_of(viri))[0].data == "viri-standin"


def test_the_table_of_folds_says_from_least_to_most(tmp_path: Path) -> None:
    rows = [
        {"pixels": picture(number, 128), "label": number % 2, "subject": f"S{number % 5}", "level": number % 3}
        for number in range(30)
    ]
    write_prepared(tmp_path / "prepared", "ckplus", rows)
    audit("ckplus", tmp_path / "prepared", tmp_path / "audit")
    for protocol, validation in (("published", None), ("audited", "val")):
        split(
            tmp_path / "prepared", tmp_path / "audit", tmp_path / f"feratt2019.{protocol}.parquet",
            scheme=Scheme(folds=3, validation=validation, levels=(0, 1)), audited=validation is not None,
        )  # fmt: skip
    write_splits(
        kept([tmp_path / f"feratt2019.{one}.parquet" for one in ("published", "audited")]), [tmp_path / "t.md"]
    )
    text = (tmp_path / "t.md").read_text()
    assert re.search(r"published +\| train +\|.* 12–16 \| +– \| +3–4 \|", text)
    assert re.search(r"\| val +\|.* 4–8 \| +0 \| +1–2 \|", text)
    assert "Level 2 not used: 10 images. Nobody is in two splits." in text


def test_splits_that_do_not_belong_together(viri: Path, tmp_path: Path) -> None:
    about = json.loads(splits_of(viri)[0].read_text())
    (tmp_path / "other.json").write_text(json.dumps(about | {"paper": "other"}))
    with pytest.raises(UserError, match="one paper on one data set"):
        split_table(read_splits([*splits_of(viri), tmp_path / "other.json"]))
    with pytest.raises(UserError, match="no such file"):
        read_splits([tmp_path / "none.json"])
    (tmp_path / "empty.json").write_text("{}")
    with pytest.raises(UserError, match="paper: missing"):
        read_splits([tmp_path / "empty.json"])
    pd.DataFrame({"id": ["a"]}).to_parquet(tmp_path / "old.published.parquet")
    with pytest.raises(UserError, match="says nothing of itself"):
        keep_split_counts(tmp_path / "old.published.parquet", tmp_path / "old.json")


def test_examples_are_drawn_alike_every_time(viri: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        draw_examples(viri / "prepared", viri / "audit", [tmp_path / f"{name}.svg", tmp_path / f"{name}.png"])
    for suffix in ("svg", "png"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    assert {"Identical", "Different labels"} < set(written_in(tmp_path / "one.svg"))
    width, height = Image.open(tmp_path / "one.png").size
    assert width == 1440
    assert 500 < height < 900, "two rows: identical images, and different labels"


def test_examples_of_nothing(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepared", "fer2013", [{"pixels": picture(number), "label": 0} for number in range(20)])
    audit("fer2013", tmp_path / "prepared", tmp_path / "audit")
    draw_examples(tmp_path / "prepared", tmp_path / "audit", [tmp_path / "none.png"])
    assert Image.open(tmp_path / "none.png").size[1] < 200


def test_no_example_is_ever_taken_from_real_images(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepared", "rafdb", [{"pixels": picture(1, 100, 3), "label": 0}], stand_in=False)
    with pytest.raises(UserError, match="drawn stand-ins only, never of people"):
        draw_examples(tmp_path / "prepared", tmp_path / "audit", [tmp_path / "out.png"])
    with pytest.raises(UserError, match="prepare the data first"):
        draw_examples(tmp_path, tmp_path, [tmp_path / "out.png"])
    assert not (tmp_path / "out.png").exists()
