"""`refer trace`: from a number back to all that it rests on, and the number made anew."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from refer import files
from refer.cli import main
from refer.errors import UserError
from refer.evaluation.predictions import read_predictions
from refer.release.bundle import release
from refer.release.recompute import recomputed
from refer.release.runs import find_preset
from refer.release.trace import trace
from release_fixtures import TABLE, make_project
from report_fixtures import rewrite

RUN = "results/small/runs/khalid2025/fer2013-standin/audited/full/seed0"


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(root, tmp_path_factory.mktemp("whole"))


@pytest.fixture
def project(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "project")


def test_a_mean_leads_to_its_runs_and_all_that_they_rest_on(project: Path) -> None:
    chain = trace(project / TABLE, ["full", "private"], "mean")
    assert chain["agrees"] is True
    assert chain["from"] == "predictions"
    assert [run["folder"].rsplit("/", 1)[1] for run in chain["runs"]] == ["seed0", "seed1"]
    accuracies = []
    for run in chain["runs"]:
        found = read_predictions(project / run["folder"] / "predictions.parquet")
        counted = found.of("private")
        assert run["right"] == int((found.predicted == found.label)[counted].sum())
        assert (run["n"], run["removed"]) == (108, 12)
        assert run["predictions_sha256"] == files.sha256(project / run["folder"] / "predictions.parquet")
        assert run["checkpoint_sha256"] == files.sha256(project / run["folder"] / "checkpoint.safetensors")
        assert run["checkpoint_here"] is True
        assert run["git_commit"] == "0123456789abcdef0123456789abcdef01234567"
        assert run["device"]["device_name"] == "a processor with 2 cores"
        accuracies.append(100 * run["right"] / run["n"])
    assert float(chain["value"]) == pytest.approx(sum(accuracies) / 2)
    (data,) = chain["data"]
    assert data["stand_in"] is True
    assert data["split"]["file"] == "results/small/data/fer2013-standin/split.khalid2025.audited.json"
    assert data["audit"]["sha256"] == files.sha256(project / data["audit"]["file"])
    paper = chain["configuration"]["papers"]["khalid2025"]
    assert paper["changed"]["recipe.epochs"] == "3 (was: 50)"
    assert paper["chosen"]["backbone"] == "resnet18"
    assert paper["overruled"]["epochs"] == "recipe.epochs = 3"
    assert chain["configuration"]["file"] == "presets/small.yaml"


@pytest.mark.parametrize("column", ["low", "sd", "n", "difference", "best", "seed_list"])
def test_every_column_of_a_table_is_made_anew(project: Path, column: str) -> None:
    assert trace(project / TABLE, ["backbone", "public"], column)["agrees"] is True


def test_a_changed_prediction_is_found_out(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release(find_preset("small", project))
    assert trace(project / TABLE, ["full", "private"], "mean")["runs"][0]["as_released"] is True

    def make_one_right(columns: dict[str, list], meta: dict) -> None:
        at = [n for n, part in enumerate(columns["part"]) if part == "private" and columns["kept"][n]]
        names = [name for name in columns if name.startswith("p_")]
        wrong = next(n for n in at if max(names, key=lambda name: columns[name][n]) != names[columns["label"][n]])
        for number, name in enumerate(names):
            columns[name][wrong] = float(number == columns["label"][wrong])

    rewrite(project / RUN / "predictions.parquet", make_one_right)
    chain = trace(project / TABLE, ["full", "private"], "mean")
    assert chain["agrees"] is False
    assert float(chain["recomputed"]) - float(chain["value"]) == pytest.approx(100 / 108 / 2)
    assert chain["runs"][0]["as_released"] is False
    assert main(["trace", str(project / TABLE), "--cell", "full:private:mean"]) == 1
    told = capsys.readouterr().out
    assert "DISAGREES" in told
    assert "NOT AS RELEASED" in told


def test_a_number_that_was_edited_is_found_out(project: Path) -> None:
    path = project / TABLE
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    row = next(row for row in rows if (row["method"], row["part"]) == ("full", "private"))
    path.write_text(path.read_text(encoding="utf-8").replace(row["mean"], "83.0"), encoding="utf-8")
    chain = trace(path, ["full", "private"], "mean")
    assert (chain["value"], chain["agrees"]) == ("83.0", False)
    assert trace(path, ["full", "public"], "mean")["agrees"] is True


def test_a_number_of_predictions_that_were_not_released_is_no_success(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release(find_preset("small", project))
    path = project / "results/small/release.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    name = f"{RUN}/predictions.parquet".removeprefix("results/small/")
    manifest["files"][name]["sha256"] = "0" * 64
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert main(["trace", str(project / TABLE), "--cell", "full:private:mean"]) == 1
    told = capsys.readouterr().out
    assert ": agrees" in told
    assert "NOT AS RELEASED" in told


def test_weights_that_are_not_those_of_the_run_are_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / RUN / "checkpoint.safetensors").write_bytes(b"others")
    (project / RUN.replace("seed0", "seed1") / "checkpoint.safetensors").unlink()
    assert main(["trace", str(project / TABLE), "--cell", "full:private:mean"]) == 0
    told = capsys.readouterr().out
    assert "THE FILE HERE IS ANOTHER" in told
    assert "; not here" in told


@pytest.mark.parametrize(
    ("words", "column", "found"),
    [
        (["full"], "mean", r"2 rows are called so; add a word.*\n  full · public\n  full · private$"),
        (["ful"], "mean", r"no row is called 'ful'. Rows:\n  full · public"),
        (["full", "private"], "meen", r"no column 'meen'. Did you mean 'mean'\?"),
        (["full", "seeds=3"], "mean", r"no row is called 'seeds=3'"),
        ([], "mean", r"4 rows are called so"),
    ],
)
def test_a_cell_that_is_not_there_is_answered_with_those_that_are(
    project: Path, words: list[str], column: str, found: str
) -> None:
    with pytest.raises(UserError, match=found):
        trace(project / TABLE, words, column)


def test_a_table_that_is_not_there_is_answered_with_those_that_are(project: Path) -> None:
    with pytest.raises(UserError, match=r"no table 'khalid.csv'\..*Known: .*runs\.csv"):
        trace(project / "results/small/tables/khalid.csv", [], "mean")
    with pytest.raises(UserError, match=r"expected the CSV of a table; .*fer2013-standin\.csv"):
        trace(project / TABLE.replace(".csv", ".md"), [], "mean")


def test_tables_of_runs_audits_and_choices_have_their_sources_too(project: Path) -> None:
    tables = project / "results/small/tables"
    one = trace(tables / "runs.csv", ["full", "seed=1"], "seconds")
    assert (one["agrees"], one["value"], len(one["runs"])) == (True, "130.0", 1)
    audit = trace(tables / "audit.fer2013-standin.csv", ["surplus duplicates"], "count")
    assert (audit["agrees"], audit["value"], audit["runs"]) == (True, "1853", [])
    assert audit["from"] == "data/fer2013-standin/audit.json"
    assert audit["data"][0]["data_fingerprint"]
    heads = trace(tables / "ambiguities.khalid2025.fer2013-standin.csv", ["heads"], "choice")
    assert (heads["agrees"], heads["value"]) == (True, "4")


@pytest.mark.parametrize("kind", ["", "metrics.", "pairs.", "protocols.", "verdicts", "claims", "runs"])
def test_every_kind_of_table_can_be_made_anew(project: Path, kind: str) -> None:
    preset = find_preset("small", project)
    names = {"claims": "claims.khalid2025", "verdicts": "verdicts", "runs": "runs"}
    made = recomputed(preset, names.get(kind, f"{kind}khalid2025.fer2013-standin"))
    assert made is not None
    assert made.rows


def test_the_chain_is_json_and_needs_no_torch(project: Path) -> None:
    code = (
        "import sys; from importlib.abc import MetaPathFinder\n"
        "class Absent(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'sklearn', 'rocrate', 'safetensors'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"from refer.cli import main; sys.exit(main(['trace', '{TABLE}', '--cell', 'full:private:mean', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    chain = json.loads(done.stdout)
    assert chain["table"] == TABLE
    assert len(chain["runs"][0]["predictions_sha256"]) == 64
    assert str(project) not in done.stdout, "no path of this machine"


def test_without_a_cell_the_rows_and_columns_are_listed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", str(project / TABLE)]) == 0
    told = capsys.readouterr().out
    assert "  full · private\n" in told
    assert "mean, sd, low, high" in told
