"""What `refer verify` finds without making anything again, and how it says in what two files differ."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from refer.cli import main
from refer.errors import UserError
from refer.release.contents import listed
from refer.release.difference import difference
from refer.release.manifest import check_border, read_manifest, write_manifest
from refer.release.runs import find_preset
from refer.release.verify import Verdict, _compare, verify
from release_fixtures import TABLE, make_project

RUN = "runs/khalid2025/fer2013-standin/audited/full/seed0"


@pytest.fixture(scope="module")
def released(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = make_project(root, tmp_path_factory.mktemp("released"))
    results = project / "results/small"
    write_manifest(results, listed(results), title="small", created="2025-01-01T10:10:00+00:00", git_commit=None)
    return project


@pytest.fixture
def project(released: Path, tmp_path: Path) -> Path:
    return shutil.copytree(released, tmp_path / "project")


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def turn(path: Path) -> None:
    """Turn a bit: the size stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda results: None, []),
        (lambda results: edit(results / RUN / "predictions.parquet"), [f"altered: {RUN}/predictions.parquet"]),
        (lambda results: (results / RUN / "run.json").unlink(), [f"missing: {RUN}/run.json"]),
        (lambda results: edit(results / "tables/runs.csv"), ["altered: tables/runs.csv"]),
        (lambda results: turn(results / "tables/runs.csv"), ["altered: tables/runs.csv"]),
        (lambda results: (results / "tables/more.csv").write_text("a\n"), ["not listed: tables/more.csv"]),
        (lambda results: (results / "notes.txt").write_text("a\n"), ["not listed: notes.txt"]),
        (lambda results: (results / RUN / "checkpoint.safetensors").unlink(), []),
        (lambda results: (results / ".snakemake_timestamp").touch(), []),
    ],
)
def test_what_is_not_as_released_is_named(project: Path, change: Callable[[Path], object], found: list[str]) -> None:
    change(project / "results/small")
    verdict = verify(find_preset("small", project), quick=True)
    assert [f"{each.kind}: {each.path}" for each in verdict.findings] == found


def test_no_table_is_made_from_what_is_not_the_released_prediction(project: Path) -> None:
    edit(project / "results/small" / RUN / "predictions.parquet")
    verdict = verify(find_preset("small", project))
    assert verdict.made == 0
    assert verdict.remarks == ["Tables were not made again: first restore what they are made from."]


def test_the_command_says_all_is_well_or_fails(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert main(["verify", "--quick"]) == 0
    assert "no table made again: all is as released." in capsys.readouterr().out
    edit(project / TABLE)
    assert main(["verify", "small", "--quick"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"altered: {TABLE.removeprefix('results/small/')}: not what release.json lists"
    assert lines[-1].endswith("1 thing is not as released.")
    (project / "results/small/release.json").unlink()
    assert main(["verify"]) == 1
    assert "no preset has a release.json" in capsys.readouterr().err


def test_a_manifest_that_is_none_is_refused(tmp_path: Path) -> None:
    for text, words in (
        ("{", "not valid JSON"),
        ('{"format": 2, "preset": "a", "files": {}}', "format: found 2 .*expected 1"),
        ('{"format": 1, "preset": "a", "files": {"a": {}}}', "not the manifest of a release"),
        (
            '{"format": 1, "preset": "a", "files": {"../a": {"sha256": "", "bytes": 0, "role": "table"}}}',
            "leads out of the folder",
        ),
    ):
        (tmp_path / "release.json").write_text(text)
        with pytest.raises(UserError, match=words):
            read_manifest(tmp_path)


def test_of_many_missing_files_a_few_are_named(tmp_path: Path) -> None:
    needed = [tmp_path / f"runs/{number}" for number in range(9)]
    with pytest.raises(UserError, match="and 6 more are missing, of 9 files"):
        check_border(tmp_path, needed)


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("suffix", "released", "again", "expected"),
    [
        (".csv", "m,mean\nx,1.0\ny,2.0\n", "m,mean\nx,1.0\ny,2.0\n", ""),
        (".csv", "m,mean\nx,1.0\ny,2.1\n", "m,mean\nx,1.0\ny,2.0\n", "line 3, mean: '2.1', made again '2.0'"),
        (".csv", "m,n\nx,1\n", "m,n\ny,2\n", "line 2, m: 'x', made again 'y' (and 1 more cells)"),
        (".csv", "m,n\nx,1\n", "m,n\nx,1\ny,2\n", "other columns, or 1 rows instead of 2"),
        (".csv", "m,n\r\nx,1\r\n", "m,n\nx,1\n", "line 1: "),
        (".md", "a\nb\n", "a\nc\n", "line 2: 'b', made again 'c'"),
    ],
)
def test_a_difference_is_found_where_it_is(
    tmp_path: Path, suffix: str, released: str, again: str, expected: str
) -> None:
    said = difference(write(tmp_path / f"a{suffix}", released), write(tmp_path / f"b{suffix}", again))
    assert said.startswith(expected) if expected else said == ""


@given(st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), min_size=1, max_size=5), st.data())
def test_any_changed_cell_is_named(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cells")
    row, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, 1))
    changed = [list(each) for each in rows]
    changed[row][column] += 10
    texts = ["a,b\n" + "".join(f"{x},{y}\n" for x, y in each) for each in (changed, rows)]
    said = difference(write(folder / "a.csv", texts[0]), write(folder / "b.csv", texts[1]))
    assert said == f"line {row + 2}, {'ab'[column]}: '{changed[row][column]}', made again '{rows[row][column]}'"


def test_scores_are_compared_by_content_and_pictures_by_pixels(tmp_path: Path) -> None:
    for name, value, codec in (("a", 0.5, "snappy"), ("b", 0.5, "zstd"), ("c", 0.25, "zstd")):
        table = pa.table({"metric": ["accuracy", "ece"], "value": [value, float("nan")]})
        pq.write_table(table, tmp_path / f"{name}.parquet", compression=codec)
        pixels = np.full((2, 3, 3), int(100 * value), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png", compress_level=9 if name == "a" else 1)
    assert difference(tmp_path / "a.parquet", tmp_path / "b.parquet") == ""
    assert difference(tmp_path / "c.parquet", tmp_path / "b.parquet") == "row 0, value: 0.25, made again 0.5"
    assert difference(tmp_path / "a.png", tmp_path / "b.png") == ""
    assert difference(tmp_path / "c.png", tmp_path / "b.png") == "6 of 6 pixels"


PAGE = """<!DOCTYPE html><html><body><h1>Small</h1><div><svg width="9"><title>f</title><svg><path d="{path}"/></svg>
<text>{tick}</text></svg></div><img src="data:image/png;base64,{picture}" alt="g">
<td class="n">{number}</td></body></html>"""
SAME = {"path": "M0 0", "tick": "0.5", "picture": "AAAA", "number": "61.27"}


@pytest.mark.parametrize(
    ("tool", "change", "found"),
    [
        ("pandas", {"number": "71.27"}, ["differs: report.html: "]),
        ("matplotlib", {"number": "71.27"}, ["differs: report.html: '71.27', made again '61.27'"]),
        ("matplotlib", {"number": '<b class="x">61.27</b>'}, ["differs: report.html: "]),
        ("matplotlib", {"path": "M1 1", "tick": "0.50", "picture": "BBBB"}, []),
        ("pandas", {"path": "M1 1"}, ["differs: report.html: "]),
        ("pandas", {}, []),
    ],
)
def test_a_page_of_other_versions_is_compared_in_all_but_its_pictures(
    tmp_path: Path, tool: str, change: dict[str, str], found: list[str]
) -> None:
    from refer.release.manifest import tools

    for folder, values in (("released", SAME | change), ("again", SAME)):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "report.html", PAGE.format(**values))
    manifest = {"files": {"report.html": {"role": "page"}}, "made_with": tools() | {tool: "0.1"}}
    verdict = Verdict(1)
    _compare(tmp_path / "released", tmp_path / "again", manifest, verdict)
    assert len(verdict.findings) == len(found), verdict.findings
    for finding, start in zip(verdict.findings, found, strict=True):
        assert str(finding).startswith(start)
