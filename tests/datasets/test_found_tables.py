"""Tables as they are found: other separators and encodings, packed alone, without a suffix, with junk; parquet."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from data_fixtures import as_folder, encoded, folders, noise, png, rows, table
from reader_fixtures import Prepared
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.datasets.readers import fer2013, rafdb
from refer.errors import UserError

PLAIN = table(rows(2))
EACH = [(label, split) for split in fer2013.SPLITS for label in range(7) for _ in range(2)]
"""Label and split of each row of PLAIN; its pixels are noise(row)."""


def semicolons(content: bytes) -> bytes:
    return content.replace(b",", b";").replace(b"\n", b"\r\n")


WRITTEN: dict[str, Callable[[bytes], bytes]] = {
    "fer2013.csv": semicolons,
    "tabs/fer2013.tsv": lambda content: content.replace(b",", b"\t"),
    "bom/fer2013.csv": lambda content: b"\xef\xbb\xbf" + content,
    "excel/fer2013.csv": lambda content: semicolons(content).decode().encode("utf-16"),
    "big/fer2013.csv": lambda content: b"\xfe\xff" + content.decode().encode("utf-16-be"),
    "fer2013": lambda content: content,
    "fer2013 (1).csv": lambda content: content,
    "fer2013.csv.gz": gzip.compress,
    "fer2013.csv.xz": lzma.compress,
    "empty/fer2013.csv": lambda content: content + b",,\n,,\n\n",
}


def prepared(folder: Path, data: str, source: Path, **options: object) -> Prepared:
    obtain(data, str(source), folder / "raw", stand_in=not options)
    prepare(data, folder / "raw", folder / "out", workers=1, **options)  # type: ignore[arg-type]
    return Prepared(folder / "out")


def is_whole(found: Prepared) -> None:
    assert list(found.index["id"]) == [f"fer2013.csv#{row}" for row in range(len(EACH))]
    assert list(zip(found.index["label"], found.index["split"], strict=True)) == EACH
    assert all((image[..., 0] == noise(row)).all() for row, image in enumerate(found.images))


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("inside", [False, True], ids=["a file", "in a folder"])
def test_a_table_is_read_however_it_was_saved(tmp_path: Path, name: str, inside: bool) -> None:
    place = as_folder(tmp_path / "in", {name: WRITTEN[name](PLAIN)})
    is_whole(prepared(tmp_path, "fer2013", place if inside else place / name))


def test_junk_is_counted_behind_the_last_row_and_named_before_it_and_moves_no_id(tmp_path: Path) -> None:
    lines = PLAIN.splitlines()
    lines[4:4] = [b"a,b,c,d,e,f"]  # data row 3
    junk = b"\n".join([*lines, b"1,2,3,4,5,6"])
    place = as_folder(tmp_path / "in", {"fer2013.csv": junk})
    with pytest.raises(UserError, match=r"^FER2013: 1 images .*fer2013.csv#3: 6 columns instead of 3\)"):
        prepared(tmp_path, "fer2013", place)
    found = prepared(tmp_path, "fer2013", place, tolerate=["labels", "counts"], coding="official")
    kept = [row for row in range(len(EACH) + 1) if row != 3]
    assert list(found.index["id"]) == [f"fer2013.csv#{row}" for row in kept]
    assert list(zip(found.index["label"], found.index["split"], strict=True)) == EACH
    assert len(found.about["tolerated"]["labels"]) == 1
    assert found.about["notes"] == {"rows behind the last image of fer2013.csv, which hold something else": 1}


def images(path: Path, labels: list[int], names: list[str] | None, first: int, text: bool = False) -> None:
    """Write a parquet file as Hugging Face's library does: bytes and path of an image, and a ClassLabel."""
    cells = [{"bytes": png(noise(first + row)), "path": f"{row}.png"} for row in range(len(labels))]
    label = {"names": names, "_type": "ClassLabel"} if names else {"dtype": "int64", "_type": "Value"}
    about = {"info": {"features": {"image": {"_type": "Image"}, "label": label}}}
    columns = {"image": pa.array(cells), "label": pa.array(labels, pa.int64())}
    made = pa.table(columns).replace_schema_metadata({b"huggingface": json.dumps(about).encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(made, path)


def test_parquet_of_images_is_read_by_the_names_of_its_classes(tmp_path: Path) -> None:
    alphabetical = sorted(rafdb.CLASSES)
    for first, part in enumerate(("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")):
        cells = [{"bytes": encoded(noise(7 * first + k, (100, 100)), "PNG"), "path": None} for k in range(7)]
        about = {"info": {"features": {"label": {"names": alphabetical, "_type": "ClassLabel"}}}}
        made = pa.table({"image": pa.array(cells), "label": pa.array(range(7), pa.int64())})
        path = tmp_path / f"in/data/{part}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(made.replace_schema_metadata({b"huggingface": json.dumps(about).encode()}), path)
    found = prepared(tmp_path, "rafdb", tmp_path / "in")
    assert found.about["images"] == 21
    for image, name, split in zip(found.images, found.index["class"], found.index["split"], strict=True):
        (row,) = [row for row in range(21) if (image[..., 0] == noise(row, (100, 100))).all()]
        assert (name, split) == (alphabetical[row % 7], "test" if row >= 14 else "train")


def test_parquet_that_holds_no_images_is_refused_with_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    parquet.write_table(pa.table({"text": ["a"], "score": [1.0]}), path)
    with pytest.raises(UserError, match=r"columns text, score; expected one of images"):
        obtain("rafdb", str(path), tmp_path / "raw")


def test_damaged_parquet_is_said_in_a_line(tmp_path: Path) -> None:
    images(tmp_path / "train.parquet", [0, 1], None, 0)
    whole = (tmp_path / "train.parquet").read_bytes()
    (tmp_path / "train.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"train\.parquet cannot be read"):
        obtain("fer2013", str(tmp_path / "train.parquet"), tmp_path / "raw")


@pytest.mark.parametrize("exchanged", [False, True])
def test_folders_of_own_names_are_the_owners_splits_only_with_the_owners_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanged: bool
) -> None:
    counts = {
        "Training": (4, 3, 2, 1, 1, 1, 1),
        "PublicTest": (1, 2, 1, 1, 1, 1, 1),
        "PrivateTest": (1, 1, 1, 1, 1, 1, 2),
    }
    monkeypatch.setattr(fer2013, "COUNTS", counts)
    files = {
        f"{folder}/{name}/im{n}.png": png(np.full((48, 48), 7, np.uint8))
        for folder, split in (("train", "Training"), ("val", "PublicTest"), ("test", "PrivateTest"))
        for name, number in zip(fer2013.CLASSES, counts[split], strict=True)
        for n in range(number)
    }
    names = list(files)
    listing = fer2013._read_folders(names, fer2013.OFFICIAL)
    assert {row.id.partition("/")[0]: row.split for row in listing.rows} == {
        "train": "Training",
        "val": "PublicTest",
        "test": "PrivateTest",
    }
    assert len(listing.rows) == len(files)
    lost = names[1:] if exchanged else [name for name in names if not name.startswith("val/")]
    with pytest.raises(UserError, match=r"no name tells PublicTest from PrivateTest\. Give fer2013\.csv"):
        fer2013._read_folders(lost, fer2013.OFFICIAL)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234\n"


def test_git_lfs_pointers_are_named_with_the_command_that_gets_the_files(tmp_path: Path) -> None:
    files = dict.fromkeys(folders(), POINTER) | {"weights.bin": POINTER}
    with pytest.raises(UserError, match=r"^21 files are git-lfs pointers.*git lfs pull$"):
        obtain("fer2013", str(as_folder(tmp_path / "in", files)), tmp_path / "raw")
    with pytest.raises(UserError, match=r"fer2013.zip is a git-lfs pointer.*git lfs pull"):
        obtain("fer2013", str(as_folder(tmp_path, {"fer2013.zip": POINTER}) / "fer2013.zip"), tmp_path / "raw")


def test_what_cannot_be_unpacked_here_is_named_with_the_command_that_does(tmp_path: Path) -> None:
    packed = as_folder(
        tmp_path, {"a.rar": b"Rar!\x1a\x07\x01\x00" + bytes(99), "b.tar.zst": b"\x28\xb5\x2f\xfd" + bytes(99)}
    )
    with pytest.raises(UserError, match=r"a\.rar is a rar archive.*unrar x a\.rar"):
        obtain("fer2013", str(packed / "a.rar"), tmp_path / "raw")
    with pytest.raises(UserError, match=r"b\.tar\.zst is a zst archive.*tar --zstd -xf b\.tar\.zst"):
        obtain("fer2013", str(packed / "b.tar.zst"), tmp_path / "raw")


def test_a_packed_file_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    bomb = as_folder(tmp_path, {"fer2013.csv.gz": gzip.compress(bytes(64 << 20))}) / "fer2013.csv.gz"
    with pytest.raises(UserError, match="more than 200 times its size"):
        obtain("fer2013", str(bomb), tmp_path / "raw")
