"""`refer datasets`: what is there of each data set, for people and for programs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from data_fixtures import as_zip, folders
from refer.datasets import catalog
from refer.datasets.model import Dataset, Listing, OwnersFile
from refer.datasets.raw import inventory
from refer.datasets.raw.obtain import obtain
from refer.files import write_json

TOY = Dataset(
    name="toy",
    title="Toy Faces",
    classes=("angry", "happy"),
    splits=("train", "test"),
    modalities=("visible", "infrared"),
    size=(8, 8),
    channels=3,
    counts={"train": (1_200, 34), "test": (5, None)},
    licence="Research [only], not to be passed on, by agreement with its owners, who are toys themselves.",
    home="https://example.org/a/very/long/address/that/is/longer/than/any/terminal/of/eighty/columns/is/wide",
    how_to_get="Write `toy: download`.",
    recognise=lambda names: "toys",
    read=lambda raw: Listing([]),
    counts_are="reported",
    access="request",
    levels="0 is calm",
    files=(OwnersFile("Toy-Angry.zip", "https://example.org/a", "a" * 40),),
    layouts=("toys", "dolls"),
)


def printed(entries: Any, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    if isinstance(entries, list):
        inventory.show(entries, console)
    else:
        inventory.show_one(entries, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def prepared(data: Path, name: str, raw_sha256: str, found: dict[str, dict[str, int]]) -> None:
    counts = {split: {label: {"found": n, "known": None} for label, n in row.items()} for split, row in found.items()}
    images = sum(n for row in found.values() for n in row.values())
    summary = {"images": images, "counts": counts, "raw_sha256": raw_sha256}
    write_json(data / f"prepared/{name}/prepare.json", summary)


def test_a_set_of_which_nothing_is_there(tmp_path: Path) -> None:
    text = printed([inventory.describe(TOY, data=tmp_path)])
    for said in ("Toy Faces (toy)", "not configured", "nothing obtained yet", "given on request", "Research [only]"):
        assert said in text
    assert "reported are 1,239 (train 1,234, test 5, without happy)" in text
    assert f"\n  home      {TOY.home}\n" in text, "an address stays in one piece"
    rest = text.replace(TOY.home, "")
    assert max(map(len, rest.splitlines())) <= 80
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_set_that_was_obtained_prepared_and_audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalog.DATASETS, "toy", TOY)
    archive = as_zip(tmp_path / "Toy-Angry.zip", folders())
    for name, stand_in in (("toy", False), ("toy-standin", True)):
        obtain("toy", [str(archive)], tmp_path / "raw" / name, stand_in=stand_in)
        receipt = json.loads((tmp_path / "raw" / name / "receipt.json").read_text())
        prepared(tmp_path, name, receipt["members_sha256"], {"train": {"angry": 1_100, "happy": 34}})
    write_json(tmp_path / "audit/toy-standin/audit.json", {})
    entry = inventory.describe(TOY, [str(archive)], tmp_path)
    real, drawn = entry["states"]
    assert (real["drawn"], real["layout"], real["images"], real["audited"]) == (False, "toys", 1_134, False)
    assert (drawn["drawn"], drawn["audited"]) == (True, True)
    assert real["files"] == {"verified": [], "differs": ["Toy-Angry.zip"]}
    text = printed(entry, 200)
    today = real["obtained"][:10]
    assert f"real: obtained {today} (toys), 1 file other than the owner's, 1,134 images" in text
    assert f"drawn: obtained {today} (toys), 1,134 images prepared, audited" in text
    assert "1,134 found; 1,134 drawn; reported are 1,239" in text
    table = [line.split("  ") for line in text.splitlines()[-3:]]
    assert [[cell.strip() for cell in row if cell.strip()] for row in table] == [
        ["found / known", "train", "test"],
        ["angry", "1,100 / 1,200", "5"],
        ["happy", "34 / 34", "?"],
    ]
    assert str(tmp_path) not in text + json.dumps(entry), "where a disk is mounted is nobody's business"


def test_what_was_prepared_of_an_earlier_archive_says_so(tmp_path: Path) -> None:
    write_json(tmp_path / "raw/toy/receipt.json", {"obtained": "2026-01-01T", "layout": "toys", "members_sha256": "a"})
    prepared(tmp_path, "toy", "b", {"train": {"angry": 1}})
    assert "of an earlier archive" in printed([inventory.describe(TOY, "toys.zip", tmp_path)], 200)


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_files_of_others_are_no_state(tmp_path: Path, content: str) -> None:
    (tmp_path / "raw/toy").mkdir(parents=True)
    (tmp_path / "raw/toy/receipt.json").write_text(content)
    assert inventory.describe(TOY, data=tmp_path)["states"] == []


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (None, None),
        ("stand-in", "stand-in"),
        ("/secret/place/toys.zip", "toys.zip"),
        (["b/2.zip", "a/1.zip"], "1.zip, 2.zip"),
        ("download", "download"),
        (f"https://me:word@example.org/x.zip?token=1#md5={'a' * 32}", "https://example.org/x.zip"),
        ("https://me:word@example.org/x.zip", "cannot be understood (refer check says why)"),
        ({"no": "source"}, "cannot be understood (refer check says why)"),
        (3, "cannot be understood (refer check says why)"),
    ],
)
def test_sources_are_shown_without_secrets(source: Any, shown: str | None) -> None:
    assert inventory.describe(TOY, source)["source"] == shown


@pytest.mark.parametrize("name", sorted(catalog.DATASETS))
@pytest.mark.parametrize("width", [60, 80, 200])
def test_every_set_of_the_catalogue_can_be_shown(tmp_path: Path, name: str, width: int) -> None:
    known = catalog.dataset(name)
    entry = inventory.describe(known, "stand-in", tmp_path)
    assert json.loads(json.dumps(entry)) == entry
    text = printed(entry, width)
    assert f"{known.title} ({name})" in text
    assert known.home in text
    for class_name in known.classes:
        assert class_name in text
    assert all(len(line) <= max(width, 100) or "://" in line for line in text.splitlines())
