"""Nobody's pickle, nobody's shell, nobody's script: what files of strangers may and may not do."""

from __future__ import annotations

import ast
import csv
import json
import os
import pickle
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from data_fixtures import as_zip, png
from refer import parquet, yaml
from refer.datasets import prepared
from refer.datasets.audit import audit
from refer.datasets.prepare import prepare
from refer.datasets.raw.archive import members
from refer.datasets.raw.archive_base import Limits
from refer.datasets.raw.obtain import obtain
from refer.errors import UserError
from refer.networks.weights import load_weights
from refer.reporting.results import csv_lines
from refer.reporting.tables.listings import write_audit
from refer.training import checkpoint

ROOT = Path(__file__).resolve().parents[1]
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
NEVER = {"os.system", "os.popen", "torch.hub.load", "yaml.unsafe_load", "yaml.full_load", "pd.read_pickle", "exec"}


def sources() -> Iterator[tuple[str, ast.AST]]:
    for folder in ("src", "workflow", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def forbidden(node: ast.AST) -> str | None:
    """What is wrong with a node, if anything is."""
    if isinstance(node, ast.Import) and (found := {alias.name.split(".")[0] for alias in node.names} & PICKLES):
        return f"imports {found}"
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLES:
        return f"imports from {node.module}"
    if not isinstance(node, ast.Call):
        return None
    called = ast.unparse(node.func)
    options = {word.arg: ast.unparse(word.value) for word in node.keywords}
    if called in NEVER or called == "eval":
        return called
    if called == "torch.load" and options.get("weights_only") != "True":
        return "torch.load without weights_only=True"
    if called == "yaml.load" and options.get("Loader") not in {"_Loader", "yaml.SafeLoader"}:
        return "yaml.load without a safe loader"
    if options.get("allow_pickle", "False") != "False":
        return "allow_pickle"
    if options.get("shell", "False") != "False":
        return "shell"
    return None


def test_no_source_unpickles_evaluates_or_asks_a_shell() -> None:
    files = list(sources())
    assert len(files) > 150
    assert [(name, wrong) for name, tree in files for node in ast.walk(tree) if (wrong := forbidden(node))] == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "subprocess.run(text, shell=True)",
        "eval(text)",
        "os.system(text)",
    ],
)
def test_that_search_finds_what_it_looks_for(text: str) -> None:
    assert any(forbidden(node) for node in ast.walk(ast.parse(text)))


def test_a_shell_gets_quoted_names_alone() -> None:
    for path in [ROOT / "Snakefile", *(ROOT / "workflow").rglob("*.smk")]:
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if line.strip() == "shell:":
                command = lines[number + 1]
                assert command.count("{") == command.count(":q}"), f"{path}: {command}"


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


def test_pickles_in_the_place_of_weights_arrays_and_tables_are_refused_in_a_line(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    bomb = Bomb(mark)
    pickled = tmp_path / "checkpoint.safetensors"
    torch.save({"network": bomb}, pickled)
    with pytest.raises(UserError, match="not a whole checkpoint") as caught:
        checkpoint.load(pickled)
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(UserError, match=r"not a whole \.safetensors file"):
        load_weights(torch.nn.Linear(1, 1), "linear", str(pickled))
    array = tmp_path / "images.npy"
    np.save(array, np.array([bomb], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="not a whole array of images"):
        prepared.open_images(array)
    array.write_bytes(pickle.dumps(bomb))
    with pytest.raises(UserError, match="not a whole array of images"):
        prepared.open_images(array)
    table = tmp_path / "split.parquet"
    table.write_bytes(pickle.dumps(bomb))
    with pytest.raises(UserError, match="not a whole table"):
        parquet.read(table)
    assert not mark.exists()
    pickle.loads(pickle.dumps(bomb))
    assert mark.is_dir(), "it would have"


BOMBS = {
    "aliases": "a: &a [x, x, x]\n" + "".join(f"b{n}: &b{n} [*{'a' if not n else f'b{n - 1}'}, *a]\n" for n in range(3)),
    "laughs": "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)),
    "merges": "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{b: *a{n - 1}, c: *a{n - 1}}}\n" for n in range(1, 30)),
    "itself": "a: &a [*a]\n",
    "deep": "a: " + "[" * 100_000,
    "deep sections": "".join(" " * depth + "a:\n" for depth in range(500)),
    "many": "a: [" + "1," * 200_000 + "]\n",
    "large": "a: b\n" * 1_000_000,
    "digits": "a: " + "9" * 5_000 + "\n",
    "object": "a: !!python/object/apply:os.system [true]\n",
    "binary": "a: !!python/name:os.system\n",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in BOMBS if name != "aliases"])
def test_yaml_that_means_too_much_is_refused_in_a_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(BOMBS[name], encoding="utf-8")
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "from refer import yaml; from refer.errors import UserError\n"
        "try: yaml.read(sys.argv[1])\n"
        "except UserError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith(f"{path}:"), done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_honest_aliases_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(BOMBS["aliases"], encoding="utf-8")
    assert yaml.read(path)["b1"] == [[["x"] * 3] * 2, ["x"] * 3]


def test_an_archive_of_very_many_entries_is_refused_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3_000):
            archive.writestr(f"{number}", b"")
    with pytest.raises(UserError, match="more than 2,000 entries"):
        list(members(path, Limits(entries=2_000)))


NUMBER = re.compile(r"[+-]?[0-9.]+(e-?[0-9]+)?")
HOSTILE = "train/happy/Training_; touch pwned; $(touch pwned) `touch pwned` <script>alert(1)<!script>.png"


def test_names_of_files_reach_neither_a_shell_nor_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    same = rng.integers(0, 256, (48, 48), dtype=np.uint8)
    files = {HOSTILE: png(same), "train/angry/Training_=cmd()|'A1'.png": png(same)}
    files |= {f"test/sad/PublicTest_face{n}.png": png(rng.integers(0, 256, (48, 48), dtype=np.uint8)) for n in range(3)}
    obtain("fer2013", str(as_zip(tmp_path / "a.zip", files)), tmp_path / "raw", stand_in=True)
    prepare("fer2013", tmp_path / "raw", tmp_path / "prepared", workers=1)
    assert HOSTILE in set(pd.read_parquet(tmp_path / "prepared/index.parquet")["id"]), "kept as it is, as data"
    audit("fer2013", tmp_path / "prepared", tmp_path / "audit")
    assert json.loads((tmp_path / "audit/audit.json").read_text())["conflicting_groups"] == 1
    outputs = [tmp_path / f"audit/table{suffix}" for suffix in (".csv", ".md", ".html")]
    write_audit(tmp_path / "audit/audit.json", outputs)
    assert "<script" not in outputs[2].read_text()
    assert not list(tmp_path.rglob("pwned"))


def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    hostile = ["=cmd()", "+1+cmd()", "-cmd()", "@SUM(A1)", "\t=1"]
    lines = csv_lines(["text", "number"], [{"text": text, "number": -1.5} for text in hostile])
    (tmp_path / "x.csv").write_text(lines, encoding="utf-8", newline="")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as handle:
        table = list(csv.DictReader(handle))
    assert [row["text"] for row in table] == [f"'{text}" for text in hostile]
    assert {row["number"] for row in table} == {"-1.5"}, "numbers stay numbers"


def test_released_tables_hold_no_formula() -> None:
    for path in (ROOT / "results").glob("*/tables/*.csv"):
        with path.open(encoding="utf-8", newline="") as handle:
            cells = {cell for row in csv.reader(handle) for cell in row}
        assert [cell for cell in cells if cell.startswith(tuple("=+-@\t\r")) and not NUMBER.fullmatch(cell)] == [], path


def test_a_sealed_checkpoint_with_a_turned_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    weights = {"a": torch.arange(64, dtype=torch.float32), "b": torch.ones(3, 2)}
    checkpoint.save(path, {"network": weights}, {"epoch": 3, "score": 0.1})
    groups, about = checkpoint.load(path)
    assert about == {"epoch": 3, "score": 0.1}
    assert torch.equal(groups["network"]["a"], weights["a"])
    content, refused = path.read_bytes(), 0
    for at in range(0, len(content), 7):
        spoilt = bytearray(content)
        spoilt[at] ^= 1 << at % 8
        path.write_bytes(spoilt)
        try:
            groups, _ = checkpoint.load(path)
        except UserError as error:
            refused += "not a whole checkpoint" in str(error)
        else:  # the seal's own name was hit
            assert all(torch.equal(groups["network"][name], value) for name, value in weights.items())
    assert refused >= len(range(0, len(content), 7)) - 1


def test_audit_packages_says_when_nobody_can_be_asked() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = text.partition("\naudit-packages:")[2].partition("\n\n")[0]
    assert "pip-audit --strict" in recipe, "without it, packages that nobody could be asked about would pass"
    assert "envs/requirements.lock" in recipe
    assert "exit 1" in recipe
