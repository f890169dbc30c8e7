"""What benchmarks/fuzz.py feeds: each reader of files that others may have written, and small inputs that it takes.

A reader raises UserError for what it refuses. AssertionError says that something was read that is not what was written.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import random
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from refer import papers, parquet, records, yaml
from refer.datasets import codings, prepared
from refer.datasets.audit import read_summary
from refer.datasets.catalog import DATASETS
from refer.datasets.decode import Recipe, decode
from refer.datasets.model import Dataset
from refer.datasets.prepare import prepare
from refer.datasets.raw.archive import members
from refer.datasets.raw.inventory import describe
from refer.datasets.raw.obtain import obtain, read_receipt
from refer.datasets.readers.fer2013 import FER2013
from refer.datasets.readers.rafdb import RAFDB
from refer.errors import UserError
from refer.evaluation.own import read_table
from refer.evaluation.predictions import read_predictions
from refer.release.archive import check
from refer.release.archive import write as write_release
from refer.release.manifest import read_manifest
from refer.release.verify import check_files
from refer.reporting.results import Results
from refer.reporting.tables.listings import write_audit, write_runs
from refer.reporting.tables.realtime import write_realtime
from refer.reporting.tables.splits import write_splits

ROOT = Path(__file__).resolve().parents[1]
RELEASED = ROOT / "results/fer2013-cpu"
RUN = "runs/khalid2025/fer2013/audited/backbone/seed0"
SCRATCH = Path("/dev/shm" if Path("/dev/shm").is_dir() else tempfile.gettempdir())
PIXELS = " ".join(["7"] * 48 * 48)
HAPPY = "train/happy/Training_1.jpg"
CONTENT = {HAPPY: b"x" * 300, "test/": b"", "é.txt": b""}


@cache
def place() -> Path:
    """Return a folder of this process for what readers need beside their input."""
    return Path(tempfile.mkdtemp(prefix="refer-fuzz-", dir=SCRATCH))


def face(form: str, seed: int = 0, mode: str = "L") -> bytes:
    """Return a small picture of noise."""
    content = io.BytesIO()
    shape = (48, 48) if mode == "L" else (48, 48, 3)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8), mode).save(content, form)
    return content.getvalue()


def zipped(content: dict[str, bytes]) -> zipfile.ZipFile:
    """Return an archive in memory."""
    packed = zipfile.ZipFile(io.BytesIO(), "w")
    for name, value in content.items():
        packed.writestr(name, value)
    return packed


def _yaml(path: Path) -> None:
    yaml.read(path)
    yaml.scalar(path.read_text(encoding="utf-8", errors="replace"))


def _paper(path: Path) -> None:
    papers.resolved_paper(yaml.read(path), "papers/naseem2025.yaml")


def _archive(path: Path) -> None:
    for member in members(path):
        size = sum(len(chunk) for chunk in member.chunks)
        assert zipfile.is_zipfile(path) is False or member.name != HAPPY or size == 300, "a zip has checksums"


def _csv(path: Path) -> None:
    _read(FER2013, zipped({"fer2013.csv": path.read_bytes()}))


def _read(known: Dataset, packed: zipfile.ZipFile) -> None:
    """Read a data set's files as `prepare` does where a configuration says nothing."""
    told = [next(iter(known.label_rules))] if known.label_rules else [] if known.names_subjects else [None]
    coding = {} if known.first_code is None else {"coding": codings.resolve(known, None)}
    known.read(packed, *told, **coding)


def _labels(path: Path) -> None:
    _read(RAFDB, zipped({"EmoLabel/list_patition_label.txt": path.read_bytes(),
                       "Image/aligned/train_00001_aligned.jpg": b"x"}))  # fmt: skip


def _image(path: Path) -> None:
    for recipe in (Recipe((48, 48, 1), "exact"), Recipe((32, 32, 3), "cover")):
        image, verdict = decode(path.read_bytes(), recipe)
        assert (image is None) == (verdict.defect is not None)
        assert image is None or (image.shape == recipe.shape and image.dtype == np.uint8)


def _layout(path: Path) -> None:
    names = path.read_text(encoding="utf-8", errors="replace").replace("\0", "").splitlines()[:40]
    with zipped({name or "x": b"7" for name in dict.fromkeys(names)}) as packed:
        for known in DATASETS.values():
            try:
                _read(known, packed)
            except UserError:
                continue


def _beside(path: Path, name: str, source: Path) -> Path:
    """Put the input where a folder has its file `name`; what else stands in `source` is copied once."""
    folder = place() / name.replace(".", "-")
    if not folder.is_dir():
        shutil.copytree(source, folder)
    shutil.copyfile(path, folder / name)
    return folder


@cache
def _data() -> Path:
    folder = place() / "data"
    content = {f"{part}/{name}/{split}_{number}.jpg": face("JPEG", number)
               for (part, split), (number, name) in itertools.product(
                   (("train", "Training"), ("test", "PublicTest"), ("test", "PrivateTest")),
                   enumerate(FER2013.classes))}  # fmt: skip
    with zipfile.ZipFile(place() / "a.zip", "w") as packed:
        for name, value in content.items():
            packed.writestr(name, value)
    obtain("fer2013", str(place() / "a.zip"), folder / "raw", stand_in=True)
    prepare("fer2013", folder / "raw", folder / "prepared", workers=1)
    return folder


def _outputs(name: str) -> list[Path]:
    return [place() / f"{name}{suffix}" for suffix in (".csv", ".md", ".html")]


def _receipt(path: Path) -> None:
    read_receipt(_beside(path, "receipt.json", _data() / "raw"), "fer2013")
    describe(FER2013, data=_tree("raw", path, "receipt.json"))


def _tree(kind: str, path: Path, name: str) -> Path:
    folder = place() / "tree" / kind / "fer2013"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / name)
    return place() / "tree"


def _prepared(path: Path) -> None:
    folder = _beside(path, "prepare.json", _data() / "prepared")
    prepared.check(folder)
    read_summary(folder, "fer2013")
    describe(FER2013, data=_tree("prepared", path, "prepare.json"))


def _index(path: Path) -> None:
    folder = _beside(path, "index.parquet", _data() / "prepared")
    prepared.check(folder)
    told = prepared.parquet.read(_data() / "prepared/index.parquet")
    found = prepared.parquet.read(folder / "index.parquet")
    assert "sha256" not in found.column_names or all(
        found[name].equals(told[name]) for name in prepared.COLUMNS if name in found.column_names
    ), "an index with hashes is what was prepared"


def _manifest(path: Path) -> None:
    folder = place() / "released"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(path, folder / "release.json")
    check_files(folder, read_manifest(folder)["files"])


def _predictions(path: Path) -> None:
    target = place() / RUN / "predictions.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    found, told = read_predictions(target), read_predictions(RELEASED / RUN / "predictions.parquet")
    for name in ("ids", "part", "kept", "label", "probabilities"):
        assert np.array_equal(getattr(found, name), getattr(told, name)), name


def _results(path: Path) -> None:
    Results.read(path)


def _own(path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        table = path.with_suffix(suffix)
        shutil.copyfile(path, table)
        try:
            read_table(table, FER2013.classes)
        except UserError:
            if suffix == ".parquet":
                raise


def _checkpoint(path: Path) -> None:
    import torch

    from refer.training import checkpoint

    tensors, about = checkpoint.load(path)
    told, said = _saved()
    assert all(about.get(key) == value for key, value in said.items()), "its seal says what it says of itself"
    assert all(torch.equal(tensors["network"][name], told[name]) for name in told), "its seal says its tensors"


@cache
def _saved() -> tuple[dict[str, Any], dict[str, Any]]:
    import torch

    about = {"run": {"paper": "a"}, "classes": ["a", "b"], "data_fingerprint": "c"}
    return {"weight": torch.arange(12.0).reshape(3, 4), "bias": torch.ones(3)}, about


def _release(path: Path) -> None:
    check(path)


READERS: dict[str, Callable[[Path], None]] = {
    "yaml": _yaml, "paper": _paper, "archive": _archive, "csv": _csv, "labels": _labels, "image": _image,
    "layout": _layout, "receipt.json": _receipt, "prepare.json": _prepared, "index.parquet": _index,
    "audit.json": lambda path: write_audit(path, _outputs("audit")),
    "split.json": lambda path: write_splits([path], _outputs("split")),
    "run.json": lambda path: write_runs([path], _outputs("runs")),
    "realtime.json": lambda path: write_realtime([path], _outputs("realtime")),
    "release.json": _manifest, "predictions": _predictions, "results": _results,
    "own predictions": _own, "checkpoint": _checkpoint, "release": _release,
    "json": lambda path: records.read(path, records.Told),
}  # fmt: skip


def seeds(reader: str) -> list[bytes]:
    """Return small inputs that a reader takes."""
    data, run = RELEASED / "data/fer2013", RELEASED / RUN
    files = {
        "audit.json": [data / "audit.json"], "split.json": sorted(data.glob("split.*.json"))[:2],
        "run.json": [run / "run.json"], "realtime.json": sorted(RELEASED.glob("realtime/*.json"))[:1],
        "results": [RELEASED / "results.parquet"],
        "paper": [ROOT / "papers/naseem2025.yaml"],
    }  # fmt: skip
    if reader in files:
        return [path.read_bytes() for path in files[reader]]
    if reader == "predictions":  # the released ones are older than the checksums of pages
        table = parquet.read(run / "predictions.parquet")
        pq.write_table(table, place() / "seed.parquet", compression="zstd", write_page_checksum=True)
        return [(place() / "seed.parquet").read_bytes()]
    if reader in ("receipt.json", "prepare.json", "index.parquet"):
        return [(_data() / ("raw" if reader == "receipt.json" else "prepared") / reader).read_bytes()]
    if reader == "release.json":
        manifest = json.loads((RELEASED / "release.json").read_bytes())
        manifest["files"] = dict(list(manifest["files"].items())[:5])
        return [json.dumps(manifest).encode()]
    made = {"yaml": _yamls, "csv": _csvs, "archive": _archives, "image": _images, "checkpoint": _checkpoints,
            "release": _releases, "own predictions": _owns, "layout": _layouts, "labels": _labelled}  # fmt: skip
    return made.get(reader, _plain)()


def _yamls() -> list[bytes]:
    return [b"a: &a [1, 2.5, x]\nb: *a\nc: {<<: {d: 1}, e: !!int 3}\n", b"outs:\n- md5: abc\n  path: x\n",
            b"a: 2021-01-01\nb: 1:30\nc: |\n  x\nd: 'y'\n? z\n: ~\n"]  # fmt: skip


def _csvs() -> list[bytes]:
    return [f"emotion,pixels,Usage\n3,{PIXELS},Training\n0,1 2 3,PublicTest\n".encode(),
            f'emotion, Usage, pixels\r\n"6",PrivateTest,"{PIXELS}"\r\n'.encode()]  # fmt: skip


def _images() -> list[bytes]:
    return [face(form, 1, mode) for form in ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF") for mode in ("L", "RGB")]


def _labelled() -> list[bytes]:
    return [b"train_00001.jpg 1\n", b"train_00001,7\r\n", b"\xef\xbb\xbftrain_00001_aligned.jpg 2\n"]


def _plain() -> list[bytes]:
    return [b'{"dataset": "fer2013", "a": [1, 2.5, null, true, {"b": "\\u00e9"}]}']


def _archives() -> list[bytes]:
    squeezed = io.BytesIO()
    with zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in CONTENT.items():
            archive.writestr(name, value)
    found = [squeezed.getvalue()]
    for mode in ("w:", "w:gz", "w:bz2", "w:xz"):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
            for name, value in CONTENT.items():
                info = tarfile.TarInfo(name)
                info.size = len(value)
                archive.addfile(info, io.BytesIO(value))
        found.append(packed.getvalue()[:4096] if mode == "w:" else packed.getvalue())
    import py7zr

    packed = io.BytesIO()
    with py7zr.SevenZipFile(packed, "w") as archive:
        archive.writestr(b"x" * 300, HAPPY)
    return [*found, packed.getvalue()]


def _checkpoints() -> list[bytes]:
    from refer.training import checkpoint

    tensors, about = _saved()
    checkpoint.save(place() / "seed.safetensors", {"network": tensors}, about)
    return [(place() / "seed.safetensors").read_bytes()]


def _releases() -> list[bytes]:
    path = place() / "seed.zip"
    digests = {name: hashlib.sha256(value).hexdigest() for name, value in {"a.txt": b"x", "b/c": b""}.items()}
    write_release(path, "top", {"a.txt": b"x", "b/c": b""}, digests, "2026-11-30T12:00:00+00:00")
    return [path.read_bytes()]


def _owns() -> list[bytes]:
    import pandas as pd

    frame = pd.DataFrame({"id": ["a", "b"], "class": ["happy", "sad"]})
    frame.to_parquet(place() / "seed.parquet")
    return [frame.to_csv(index=False).encode(), (place() / "seed.parquet").read_bytes()]


def _layouts() -> list[bytes]:
    names = [HAPPY, "test/sad/PublicTest_1.jpg", "EmoLabel/list_patition_label.txt",
             "Image/aligned/train_00001_aligned.jpg", "F0001/F0001_AN01WH_F2D.bmp",
             "cohn-kanade-images/S005/001/S005_001_00000001.png",
             "Emotion/S005/001/S005_001_00000001_emotion.txt", "fer0000001.png", "fer2013new.csv", "S01_happy_vis.jpg",
             "NVIE/Spontaneous/visible/001/happiness/1.jpg"]  # fmt: skip
    return ["\n".join(names[k:] + names[:k]).encode() for k in range(0, len(names), 3)]


VALUES: list[Any] = [None, True, -1, 0, 10**30, 1e308, "", "x", "../x", "<b>{x}</b>", "x" * 400, [], {}, [[]], [None],
                     {"a": {}}, [1, "a"], "\x1b[2J", 3.5]  # fmt: skip


def changed(content: bytes, rng: random.Random) -> bytes:
    """Change a few bytes of an input, or cut, repeat or join pieces of it; of JSON mostly a value or a key."""
    if content[:1] == b"{" and rng.random() < 0.8:
        value = json.loads(content)
        for _ in range(rng.randint(1, 2)):
            _change(value, rng)
        return json.dumps(value).encode()
    result = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        at, length = rng.randrange(len(result) + 1), rng.randint(1, 20)
        match rng.randrange(4):
            case 0:
                result[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del result[at : at + length]
            case 2:
                result[at:at] = result[at : at + length]
            case _:
                result[at:at] = rng.choice([b"\0", b"\xff", b"[" * 99, b"&a", b"*a", b"-1", b"9" * 30, b'"', b"\r"])
    return bytes(result)


def _change(section: Any, rng: random.Random) -> None:
    """Change one value somewhere in a section, or remove, rename or add a key."""
    keys: list[Any] = list(section) if isinstance(section, dict) else list(range(len(section)))
    if not keys:
        return
    key = rng.choice(keys)
    inner = section[key]
    if isinstance(inner, dict | list) and inner and rng.random() < 0.7:
        _change(inner, rng)
    elif rng.random() < 0.6:
        section[key] = rng.choice(VALUES)
    elif isinstance(section, dict) and rng.random() < 0.5:
        section[rng.choice(["", "a", str(key) + "x"])] = section.pop(key)
    else:
        section.pop(key)
