"""`refer …`: each command does its job, or says in a line why not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from refer import __version__, cli


@pytest.fixture(autouse=True)
def _in_project(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"refer {__version__}\n"


def test_check_counts_what_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "config.yaml", "presets/fer2013-cpu.yaml", "papers/khalid2025.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    # The demo's FER+ is drawn for `audit.between`, which nobody asked for yet.
    unused = [line for line in lines if line.startswith("  without effect here")]
    assert unused == [
        "  without effect here: standin.ferplus: no run needs this data set, and `data` does not name it."
    ]
    lines = [line for line in lines if line not in unused]
    assert [line.split(":")[0] for line in lines] == [
        "config.yaml",
        "presets/fer2013-cpu.yaml",
        "papers/khalid2025.yaml",
    ]
    assert "4 methods, 1 reported numbers" in lines[2]


def test_check_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(Path("config.yaml").read_text(encoding="utf-8").replace("preset:", "presett:"), encoding="utf-8")
    assert cli.main(["check", str(wrong)]) == 1
    assert "Did you mean 'preset'?" in capsys.readouterr().err


def test_schemas_are_written_where_asked(tmp_path: Path) -> None:
    assert cli.main(["schema", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"config.schema.json", "paper.schema.json"}


def test_datasets_tells_how_to_get_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["datasets"]) == 0
    told = capsys.readouterr().out
    assert "Kaggle" in told
    assert "\x1b" not in told, "plain where it is piped"


def test_datasets_tells_all_about_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("fer2013: /data/fer.zip\n")
    assert cli.main(["datasets", "fer2013", "--configfile", str(tmp_path / "config.yaml")]) == 0
    told = capsys.readouterr().out
    assert "source    fer.zip" in told
    assert "PrivateTest" in told
    assert cli.main(["datasets", "fer2014"]) == 1
    assert "Known:" in capsys.readouterr().err
    assert cli.main(["datasets", "--configfile", "none.yaml"]) == 1
    assert "none.yaml: there is no such file" in capsys.readouterr().err


def test_datasets_for_programs_and_without_a_configuration(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["datasets", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert entries["fer2013"]["source"] is None
    assert entries["fer2013"]["images"]["PublicTest"]["disgust"] == 56
    assert cli.main(["datasets", "fer2013", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == entries["fer2013"]


def test_faces_draws_a_sheet(tmp_path: Path) -> None:
    assert cli.main(["faces", str(tmp_path / "sheet.png")]) == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (8 * 112, 7 * 112)


def test_train_names_the_runs_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "khalid2025/fer2013-standin/audited/ful/seed0"]) == 1
    assert "Did you mean 'khalid2025/fer2013-standin/audited/full/seed0'?" in capsys.readouterr().err


def test_train_says_what_to_make_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("config.yaml", "papers"):
        (shutil.copytree if Path(name).is_dir() else shutil.copy)(name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "khalid2025/fer2013-standin/audited/full/seed0"]) == 1
    assert "snakemake --cores all data/splits" in capsys.readouterr().err
