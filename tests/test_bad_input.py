"""Input that is wrong, of every kind: refused in a few lines that name file and place, never with a traceback."""

from __future__ import annotations

import base64
import copy
import io
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml as plain
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from archive_fixtures import as_7z
from data_fixtures import as_zip, folders, rows, table
from reader_fixtures import read as read_set
from refer import cli, files, papers, yaml
from refer.datasets.prepare import prepare
from refer.datasets.raw.archive import members
from refer.datasets.raw.obtain import obtain, read_receipt
from refer.datasets.raw.pointers import tracked
from refer.datasets.raw.source_types import Pointer
from refer.datasets.readers.ckplus import CKPLUS
from refer.datasets.readers.rafdb import RAFDB
from refer.errors import UserError
from refer.evaluation.predictions import read_predictions
from refer.plan import load_plan
from refer.reporting.audit import read_audit
from refer.reporting.run_set import read_records
from refer.reporting.score import Asked, score
from refer.reporting.tables.listings import write_runs
from report_fixtures import CLASSES, write_run

ROOT = Path(__file__).resolve().parents[1]
NESTED = "[" * 100_000
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused(attempt: Callable[[], object], *words: str) -> str:
    """Make an attempt that must be refused in at most four lines which hold all the words; returns them."""
    with pytest.raises(UserError) as caught:
        attempt()
    message = str(caught.value)
    assert len(message.splitlines()) <= 4, message
    assert len(message) < 1_500, message
    assert all(word in message for word in words), message
    return message


def refused_or_fine(attempt: Callable[[], object]) -> None:
    """Make an attempt that may succeed; if not, it must be refused in a few lines."""
    try:
        attempt()
    except UserError as error:
        message = str(error)
    else:
        return
    assert 1 <= len(message.strip().splitlines()) <= 4, message


@cache
def config() -> dict[str, Any]:
    return yaml.read(ROOT / "benchmarks/tiny.yaml")


@cache
def paper() -> dict[str, Any]:
    return yaml.read(ROOT / "papers/naseem2025.yaml")


def changed(content: dict[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    """Return a copy with a dotted key set; `...` removes it."""
    result = copy.deepcopy(content)
    *parents, last = [int(step) if step.isdecimal() else step for step in dotted.split(".")]
    section: Any = result
    for parent in parents:
        section = section[parent]
    if value is ...:
        del section[last]
    else:
        section[last] = value
    return result


# --- configurations ---------------------------------------------------------------------------------------------

WRONG_CONFIGURATIONS: list[tuple[str, Any, tuple[str, ...]]] = [
    ("preset", ..., ("preset", "missing")),
    ("preset", None, ("preset", "None", "text")),
    ("preset", "a b", ("preset", "'a b'")),
    ("preset", "x" * 61, ("preset", "60")),
    ("preset", "; rm -rf", ("preset", "; rm -rf")),
    ("preset", "<script>", ("preset", "<script>")),
    ("title", ["a"], ("title", "a list", "text")),
    ("viri", 7, ("viri", "7")),
    ("viri", {"a": 1}, ("viri",)),
    ("subject_pattern", {"viri": 3}, ("subject_pattern.viri", "3", "text")),
    ("standin.viri.images.all", 3, ("standin.viri.images.all", "3", "8")),
    ("standin.viri.images.all", "many", ("standin.viri.images.all", "'many'", "a whole number")),
    ("standin.viri.subjects", 0, ("standin.viri.subjects", "0", "3")),
    ("standin.viri.subjects", 1e99, ("standin.viri.subjects",)),
    ("standin.viri.colour", "red", ("standin.viri.colour", "no key 'colour'")),
    ("reproduce", {}, ("reproduce",)),
    ("reproduce", None, ("reproduce", "None")),
    ("reproduce.naseem2025.methods", ["fusd"], ("'fusd'", "Did you mean 'fused'?")),
    ("reproduce.naseem2025.data", ["vir"], ("'vir'", "Did you mean 'viri'?")),
    ("reproduce.naseem2025.seeds", [-1], ("seeds.0", "-1")),
    ("reproduce.naseem2025.seeds", [True], ("seeds.0", "True", "a whole number")),
    ("reproduce.naseem2025.seeds", "0", ("seeds", "'0'", "a list")),
    ("reproduce.naseem2025.override", {"recipe.epochs": -1}, ("recipe.epochs", "-1")),
    ("reproduce.naseem2025.override", {"recipe.lr": float("nan")}, ("recipe.lr", "nan")),
    ("reproduce.naseem2025.override", {"recipe.lr": "1e-3"}, ("recipe.lr", "'1e-3'", "a number")),
    ("reproduce.naseem2025.override", {"": 3}, ("no key ''",)),
    ("reproduce.naseem2025.override", {"recipe": 3}, ("recipe", "3")),
    ("reproduce.naseem2025.override", {"reported.0": 3}, ("reported.0",)),
    ("ambiguity.naseem2025.branches", "all", ("branches", "'all'")),
    ("tolerate", {"viri": ["everything"]}, ("tolerate.viri.0", "'everything'")),
    ("papers", "nowhere", ("nowhere", "naseem2025")),
    ("margin", 0, ("margin", "0")),
    ("device", "gpu", ("device", "'gpu'", "cuda")),
    ("threads", 0, ("threads", "0")),
    ("realtime_seconds", float("inf"), ("realtime_seconds", "inf")),
]


@pytest.mark.parametrize(("key", "value", "words"), WRONG_CONFIGURATIONS)
def test_configurations(key: str, value: Any, words: tuple[str, ...]) -> None:
    refused(lambda: load_plan(changed(config(), key, value), "tiny.yaml", ROOT), *words)


# --- papers -----------------------------------------------------------------------------------------------------

WRONG_PAPERS: list[tuple[str, Any, tuple[str, ...]]] = [
    ("id", "other", ("id", "'other'", "'naseem2025'")),
    ("id", "../naseem2025", ("id",)),
    ("title", ..., ("title", "missing")),
    ("data", {}, ("data",)),
    ("data.viri.shares", {"train": 0.7, "test": 0.7}, ("data.viri", "sum to 1", "1.4")),
    ("data.viri.shares.train", 70, ("shares",)),
    ("data.viri", {"folds": {"count": 1}}, ("folds.count", "1", "2")),
    ("data.viri.parts", {"a": "b"}, ("data.viri", "one of parts, shares and folds")),
    ("data.unheard", {"shares": {"train": 0.5, "test": 0.5}}, ("unheard",)),
    ("methods", {}, ("methods",)),
    ("methods.fused.network.name", "torch.load", ("network", "'torch.load'")),
    ("methods.fused.network.name", "../../etc", ("network",)),
    ("methods.fused.network.name", ["a"], ("network",)),
    ("methods.visible.network.modality", "x-ray", ("modality", "'x-ray'")),
    ("methods.fused.recipe", {"epoch": 3}, ("Did you mean 'epochs'?",)),
    ("recipe.optimizer", "adamm", ("recipe.optimizer", "'adamm'")),
    ("recipe.batch_size", 0, ("recipe.batch_size", "0")),
    ("recipe.image_size", 10**9, ("recipe.image_size",)),
    ("reported.0.value", "82 %", ("reported.0.value", "'82 %'", "a number")),
    ("reported.0.value", 182.0, ("reported.0.value", "182")),
    ("reported.0.dataset", "nie", ("reported.0", "'nie'")),
    ("reported.0.n", -3, ("reported.0.n", "-3")),
    ("protocols.published.select", "tes", ("select", "'tes'")),
    ("protocols.audited.changes", {"recipe.los": "logits"}, ("los", "loss")),
    ("ambiguities.branches.choice", "none of these", ("branches", "none of these")),
    ("ambiguities.branches.options", [], ("ambiguities.branches.options",)),
]


@pytest.mark.parametrize(("key", "value", "words"), WRONG_PAPERS)
def test_papers(key: str, value: Any, words: tuple[str, ...]) -> None:
    refused(lambda: papers.resolved_paper(changed(paper(), key, value), "papers/naseem2025.yaml"), "naseem2025", *words)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, key: str = "") -> Iterator[str]:
    """Every dotted key of a mapping."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, content in inner:
        if "." not in str(name):
            yield f"{key}{name}"
            yield from paths(content, f"{key}{name}.")


@SETTINGS
@given(st.sampled_from(sorted(paths(yaml.read(ROOT / "papers/naseem2025.yaml")))), json_values)
def test_no_value_anywhere_in_a_paper_ends_in_a_traceback(key: str, value: object) -> None:
    refused_or_fine(lambda: papers.resolved_paper(changed(paper(), key, value), "papers/naseem2025.yaml"))


# --- YAML -------------------------------------------------------------------------------------------------------

BROKEN_YAML = {
    "a binary file": (b"\x00\x01\x02", ("x.yaml",)),
    "Latin-1": ("a: é".encode("latin-1"), ("x.yaml", "UTF-8")),
    "a tab": (b"a:\n\t- b\n", ("x.yaml:2", "not valid YAML")),
    "an open quote": (b'a: "b\nc: d\n', ("x.yaml:", "not valid YAML")),
    "a month 13": (b"a: 2021-13-01\n", ("x.yaml:1", "month")),
    "nothing": (b"", ("x.yaml", "NoneType")),
    "a list": (b"- a\n", ("x.yaml", "list")),
    "two documents": (b"a: 1\n---\nb: 2\n", ("x.yaml:2", "not valid YAML")),
    "an unknown alias": (b"a: *b\n", ("x.yaml:1", "'b'")),
    "a key of keys": (b"? {a: b}\n: c\n", ("x.yaml:1", "a key must be one word")),
    "an unknown tag": (b"a: !thing b\n", ("x.yaml:1", "!thing")),
}


@pytest.mark.parametrize("name", BROKEN_YAML)
def test_yaml_files(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    content, words = BROKEN_YAML[name]
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    refused(lambda: yaml.read(path), *words)
    assert cli.main(["check", str(path)]) == 1
    assert "x.yaml" in capsys.readouterr().err


PIECES = ["a", ":", " ", "\n", "- ", "&a ", "*a", "<<: ", "{", "}", "[", "]", ",", "? ", "!!int ", "!!set ", "!!omap ",
          "!!timestamp ", "!!binary ", "|\n", ">\n", "'", '"', "#", "%", "---\n", "...\n", "\t", "1", "1:2", ".nan",
          "~", "2021-01-01", "0x", "é", "\0", "\ufeff", "\\x"]  # fmt: skip


@settings(SETTINGS, max_examples=150)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@example("a: !!timestamp x")
@example("a: !!int")
@example("!!set a")
@example("a: !!omap {b: c}")
def test_no_text_breaks_the_yaml_reader(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    refused_or_fine(lambda: yaml.read(path))
    yaml.scalar(text)


# --- archives ---------------------------------------------------------------------------------------------------


@cache
def packed() -> dict[str, bytes]:
    """The same small set in each format."""
    content = folders()
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, value in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(value)
            archive.addfile(info, io.BytesIO(value))
    squeezed = io.BytesIO()
    with zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            archive.writestr(name, value)
    return {"x.tar": tar.getvalue(), "x.tar.xz": lzma.compress(tar.getvalue(), preset=0), "x.zip": squeezed.getvalue()}


def emptied(path: Path) -> int:
    """Read an archive to its end; returns its bytes."""
    return sum(len(chunk) for member in members(path) for chunk in member.chunks)


@pytest.mark.parametrize("name", ["x.tar", "x.tar.xz", "x.zip"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9])
def test_archives_cut_off(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    path.write_bytes(packed()[name][: int(share * len(packed()[name]))])
    if (name, share) == ("x.tar", 0.9):
        assert emptied(path) == sum(map(len, folders().values())), "nothing but padding was cut off"
        return
    refused(lambda: emptied(path), name)


@SETTINGS
@given(st.sampled_from(["x.tar", "x.tar.xz", "x.zip"]), st.floats(0, 0.9999), st.binary(min_size=1, max_size=6))
def test_archives_with_other_bytes_are_read_or_refused(tmp_path: Path, name: str, where: float, what: bytes) -> None:
    content = bytearray(packed()[name])
    at = int(where * len(content))
    content[at : at + len(what)] = what
    path = tmp_path / name
    path.write_bytes(content)
    refused_or_fine(lambda: emptied(path))


def test_a_7z_cut_off(tmp_path: Path) -> None:
    whole = as_7z(tmp_path / "x.7z", folders()).read_bytes()
    for share in (0.02, 0.5, 0.99):
        (tmp_path / "y.7z").write_bytes(whole[: int(share * len(whole))])
        refused(lambda: emptied(tmp_path / "y.7z"), "y.7z")


FOUND = {
    "a name that says it is UTF-8": (
        'c-jl_W@Zs#U|`^2I22vV5a7+oB*F~gw?>!73hO#cvjcfLj2jrF7!aU=5k!_0C1&R7XCxLBRO*L-*qM3h@kV-C1?kA<0L_gBs'
        'b+#`Rc3{oBEaz1(H>+@YH^7^Tnh(=76vvHt5a42sl$3D6(s@QtY9f-AY2cmyTB>{3s4`$'
    ),
    "an extra field that ends early": (
        'c-jl_W@Zs#U|`^2P>3mIAQF@omn0T37#J{&Oi)20U>F5>L9DQ@vot%9p~J{fP^lkMl$e>9nU@}KsFziczIufO>k%e~0OWKU3'
        '(~~|)y)dTC8@<F`pjTOU;qFA{{8>`#i)wdfcWrAy^@L&kSazd5oUy8NVY>w+ySN<!2A-BYxFY`3y@uA0CE|+Ip~gp00D--j`'
        'lDog0u*Lv~XZ*VM7X$2F4V)g9E%-!BWgXxE@G%fmHwiK*dk*'
    ),
}  # fmt: skip
"""Zips that benchmarks/fuzz.py broke the reader with, deflated and in base 85."""


@pytest.mark.parametrize("name", FOUND)
def test_archives_that_fuzzing_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(zlib.decompress(base64.b85decode(FOUND[name])))
    refused(lambda: emptied(path), "x.zip")


# --- tables and labels ------------------------------------------------------------------------------------------


def prepared_from(folder: Path, content: bytes, name: str = "fer2013.csv") -> None:
    obtain("fer2013", str(as_zip(folder / "a.zip", {name: content})), folder / "raw", stand_in=True)
    prepare("fer2013", folder / "raw", folder / "out", workers=1)


PIXELS = " ".join(["7"] * 48 * 48)
WRONG_TABLES = {
    "no header": (f"0,{PIXELS},Training\n".encode(), ("fer2013.csv", "columns")),
    "a column twice": (b"emotion,emotion,pixels,Usage\n", ("columns", "each once")),
    "another emotion": (f"emotion,pixels,Usage\n7,{PIXELS},Training\n".encode(), ("emotion '7'", "0 to 6")),
    "no emotion": (f"emotion,pixels,Usage\n,{PIXELS},Training\n".encode(), ("emotion ''",)),
    "another part": (f"emotion,pixels,Usage\n1,{PIXELS},Trainning\n".encode(), ("Usage 'Trainning'",)),
    "too few pixels": (b"emotion,pixels,Usage\n1,1 2 3,Training\n", ("3 pixels", "2304")),
    "a pixel of 256": (f"emotion,pixels,Usage\n1,{PIXELS[:-1]}256,Training\n".encode(), ("outside 0..255",)),
    "a negative pixel": (f"emotion,pixels,Usage\n1,{PIXELS[:-1]}-1,Training\n".encode(), ("no whole number",)),
    "too many cells": (f"emotion,pixels,Usage\n1,{PIXELS},Training,x\n".encode(), ("fer2013.csv",)),
    "an open quote": (b'emotion,pixels,Usage\n1,"1 2\n', ("",)),
    "no rows": (b"emotion,pixels,Usage\n", ("",)),
    "only a line": (b"x" * 100_000, ("fer2013.csv", "columns")),
    "found by fuzzing": (b"emotion,pix7`7 7 \r\x00\x00 7 7 7 7", ("fer2013.csv",)),
    "UTF-16": ("emotion,pixels,Usage\n".encode("utf-16"), ("",)),
}


@pytest.mark.parametrize("name", WRONG_TABLES)
def test_tables_of_images(tmp_path: Path, name: str) -> None:
    content, words = WRONG_TABLES[name]
    refused(lambda: prepared_from(tmp_path, content), *words)
    assert not list(tmp_path.glob("out/*"))


@SETTINGS
@given(st.floats(0, 0.9999), st.binary(min_size=1, max_size=8), st.booleans())
def test_tables_with_other_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, where: float, what: bytes, early: bool
) -> None:
    content = bytearray(table(rows()[:7]))
    at = int(where * (60 if early else len(content)))
    content[at : at + len(what)] = what
    refused_or_fine(lambda: prepared_from(tmp_path_factory.mktemp("table"), bytes(content)))


LABEL_FILE = "basic/EmoLabel/list_patition_label.txt"
WRONG_LABELS = {
    "code 8": b"train_00001.jpg 8\n",
    "code one": b"train_00001.jpg one\n",
    "no code": b"train_00001.jpg\n",
    "three words": b"train_00001.jpg 1 2\n",
    "an image that is not there": b"train_99999.jpg 1\n",
    "a name of no part": b"x.jpg 1\n",
    "two codes": b"train_00001.jpg 1\ntrain_00001.jpg 2\n",
    "bytes": b"\xff\xfe\x00\x01\n",
    "a formula": b"=cmd() 1\n",
    "a path": b"../../etc/passwd 1\n",
    "nothing": b"",
}


@pytest.mark.parametrize("name", WRONG_LABELS)
def test_label_files(tmp_path: Path, name: str) -> None:
    from data_fixtures import encoded, noise

    face = encoded(noise(0, (100, 100, 3)), "PNG")
    content = {LABEL_FILE: WRONG_LABELS[name], "basic/Image/aligned/train_00001_aligned.jpg": face}

    def attempt() -> None:
        obtain("rafdb", str(as_zip(tmp_path / "a.zip", content)), tmp_path / "raw", stand_in=True)
        prepare("rafdb", tmp_path / "raw", tmp_path / "out", workers=1)

    refused(attempt)
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("content", [b"nine", b"9.0", b"-1", b"nan", b"inf", b"1e999", b"\xff\xff", b"3 4", b"0.5"])
def test_emotion_files(content: bytes) -> None:
    name = "cohn-kanade-images/S005/001/S005_001_{:08d}.png"
    images = {name.format(number): b"x" for number in range(1, 7)}
    listing = read_set(CKPLUS, {**images, "Emotion/S005/001/S005_001_00000006_emotion.txt": content})
    assert listing.problems, "named, and left out if that is tolerated"
    assert not listing.rows


def test_names_are_read_from_the_catalogue() -> None:
    assert RAFDB.name == "rafdb"
    refused(lambda: obtain("rafdbb", "x", Path("x")), "'rafdbb'", "Known", "rafdb")


# --- predictions and records ------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with its predictions and its record."""
    rng = np.random.default_rng(0)
    label = np.arange(70) % 7
    write_run(
        tmp_path / "demo", data="fer2013-standin", protocol="audited", method="full", seed=0,
        ids=[f"i{n}" for n in range(70)], part=np.repeat(["public", "private"], 35), kept=np.ones(70, bool),
        label=label, logits=rng.normal(size=(70, 7)), classes=CLASSES, epochs=2, rng=rng,
    )  # fmt: skip
    return tmp_path / "demo/runs/khalid2025/fer2013-standin/audited/full/seed0"


def with_meta(at: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    def change(content: pa.Table) -> pa.Table:
        meta = json.loads(content.schema.metadata[b"refer"])
        meta[at] = value
        return content.replace_schema_metadata({b"refer": json.dumps(meta).encode()})

    return change


def with_column(name: str, values: Any) -> Callable[[pa.Table], pa.Table]:
    return lambda content: content.set_column(content.column_names.index(name), name, [values])


WRONG_PREDICTIONS: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "no metadata": (lambda content: content.replace_schema_metadata({}), "metadata"),
    "metadata that is no JSON": (lambda content: content.replace_schema_metadata({b"refer": b"{"}), "metadata"),
    "nested metadata": (lambda content: content.replace_schema_metadata({b"refer": NESTED.encode()}), "metadata"),
    "metadata that is a list": (lambda content: content.replace_schema_metadata({b"refer": b"[]"}), "metadata"),
    "another run": (with_meta("method", "other"), "other"),
    "a path": (with_meta("method", "../../up"), "../../up"),
    "a seed that is a word": (with_meta("seed", "one"), "metadata"),
    "a seed that is nothing": (with_meta("seed", None), "metadata"),
    "classes that are nothing": (with_meta("classes", None), "metadata"),
    "classes that are a word": (with_meta("classes", "angry"), "metadata"),
    "a class too many": (with_meta("classes", [*CLASSES, "<script>"]), "p_<script>"),
    "no id": (lambda content: content.drop_columns(["id"]), "id"),
    "ids that are numbers": (with_column("id", list(range(70))), "id"),
    "one id twice": (with_column("id", ["a"] * 70), "twice"),
    "an empty id": (with_column("id", [None, *"abcdefghi"] * 7), "empty"),
    "labels that are words": (with_column("label", ["angry"] * 70), "label"),
    "labels beyond the classes": (with_column("label", [7] * 70), "label 7"),
    "labels below": (with_column("label", [-1] * 70), "label -1"),
    "probabilities that are words": (with_column("p_angry", ["x"] * 70), "p_angry"),
    "probabilities that are not numbers": (with_column("p_angry", [float("nan")] * 70), "not finite"),
    "infinite probabilities": (with_column("p_angry", [float("inf")] * 70), "not finite"),
    "probabilities above 1": (with_column("p_angry", [2.0] * 70), "expected 0..1"),
    "probabilities that do not sum to 1": (with_column("p_angry", [0.0] * 70), "sum to"),
    "kept that is a word": (with_column("kept", ["yes"] * 70), "kept"),
    "lists": (with_column("label", [[1]] * 70), "label"),
    "no rows": (lambda content: content.slice(0, 0), ""),
}


@pytest.mark.parametrize("name", WRONG_PREDICTIONS)
def test_predictions(run: Path, tmp_path: Path, name: str) -> None:
    change, word = WRONG_PREDICTIONS[name]
    path = run / "predictions.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    refused(lambda: score(Asked({}), [path], [], [tmp_path / "results.parquet"]), word)
    assert not (tmp_path / "results.parquet").exists()


def test_predictions_with_a_turned_bit_are_refused_or_the_same(run: Path) -> None:
    path = run / "predictions.parquet"
    pq.write_table(pq.read_table(path), path, compression="zstd", write_page_checksum=True)
    whole, content = read_predictions(path), path.read_bytes()
    refusals = 0
    for at in range(0, len(content), 23):
        spoilt = bytearray(content)
        spoilt[at] ^= 1 << at % 8
        path.write_bytes(spoilt)
        try:
            found = read_predictions(path)
        except UserError:
            refusals += 1
            continue
        assert found.key == whole.key
        for name in ("ids", "part", "kept", "label", "probabilities"):
            assert np.array_equal(getattr(found, name), getattr(whole, name)), (at, name)
    assert refusals > 25


WRONG_RECORDS = {
    "nothing": b"",
    "half": b'{"paper": "khalid2025", ',
    "a list": b"[]",
    "a word": b'"run"',
    "nested": NESTED.encode(),
    "bytes": b"\xff\xfe",
    "no keys": b"{}",
    "digits": b'{"seed": ' + b"9" * 5_000 + b"}",
}


@pytest.mark.parametrize("name", WRONG_RECORDS)
def test_records_of_runs(run: Path, tmp_path: Path, name: str) -> None:
    path = run / "run.json"
    path.write_bytes(WRONG_RECORDS[name])
    refused(lambda: read_records([path]), "run.json")
    outputs = [tmp_path / f"runs{suffix}" for suffix in (".csv", ".md", ".html")]
    refused(lambda: write_runs([path], outputs), "run.json")
    assert not any(output.exists() for output in outputs)
    path.write_bytes(WRONG_RECORDS[name])
    refused(lambda: read_audit(path))


@pytest.mark.parametrize("key", ["seed", "versions", "checkpoint_sha256", "images_per_s"])
def test_records_that_lack_something(run: Path, tmp_path: Path, key: str) -> None:
    record = files.read_json(run / "run.json")
    del record[key]
    files.write_json(run / "run.json", record)
    refused(lambda: write_runs([run / "run.json"], [tmp_path / "runs.csv"]), "run.json", key)


@pytest.mark.parametrize("name", WRONG_RECORDS)
def test_receipts(tmp_path: Path, name: str) -> None:
    obtain("fer2013", str(as_zip(tmp_path / "a.zip", folders())), tmp_path / "raw", stand_in=True)
    (tmp_path / "raw/receipt.json").write_bytes(WRONG_RECORDS[name])
    refused(lambda: read_receipt(tmp_path / "raw", "fer2013"), "receipt.json")


# --- what DVC writes --------------------------------------------------------------------------------------------

WRONG_POINTERS = {
    "nothing": "",
    "a word": "outs",
    "no outs": "a: 1",
    "outs that are a word": "outs: x",
    "outs without a hash": "outs: [{path: x}]",
    "outs without a path": "outs: [{md5: abc}]",
    "two outs": "outs: [{md5: a, path: b}, {md5: c, path: d}]",
    "outs of nothing": "outs: [null]",
    "an object": "outs: !!python/object/apply:os.system [true]",
    "an alias of itself": "outs: &a [*a]",
}


@pytest.mark.parametrize("name", WRONG_POINTERS)
def test_pointers(tmp_path: Path, name: str) -> None:
    path = tmp_path / "data.zip.dvc"
    path.write_text(WRONG_POINTERS[name], encoding="utf-8")
    refused(lambda: tracked(Pointer(path)), "data.zip.dvc")


def test_there_are_more_than_a_hundred_cases() -> None:
    tables: tuple[Any, ...] = (WRONG_CONFIGURATIONS, WRONG_PAPERS, BROKEN_YAML, WRONG_TABLES, WRONG_LABELS, WRONG_PREDICTIONS, WRONG_RECORDS, WRONG_POINTERS)  # fmt: skip  # noqa: E501
    assert sum(map(len, tables)) >= 100
    assert plain.safe_load("a: 1") == {"a": 1}
