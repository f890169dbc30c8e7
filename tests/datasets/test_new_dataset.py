"""A data set joins as one file of readers/: it is found, listed, configured and prepared without another edit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_fixtures import as_folder, encoded, noise
from reader_fixtures import Prepared
from refer.datasets import catalog, readers
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.errors import UserError

READER = '''
"""Meadow: made-up faces in class folders."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence

from refer.datasets.model import Dataset, Listing, ImageRow, some
from refer.errors import UserError

CLASSES = ("calm", "glad")
IMAGE = re.compile(rf"(?:.*/)?(?P<split>train|test)/(?P<name>{'|'.join(CLASSES)})/(?P<file>[^/]+)[.]png")


def recognise(names: Sequence[str]) -> str:
    if any(map(IMAGE.fullmatch, names)):
        return "class folders"
    raise UserError(f"This is no Meadow: looked for train/calm/*.png; found {some(sorted(names)) or 'nothing'}.")


def read(raw: zipfile.ZipFile) -> Listing:
    images = [found for name in raw.namelist() if (found := IMAGE.fullmatch(name))]
    rows = [
        ImageRow(f"{one['split']}/{one['name']}/{one['file']}", CLASSES.index(one["name"]), one["split"], None, one[0])
        for one in images
    ]
    return Listing(rows, unused=sorted(set(raw.namelist()) - {one[0] for one in images}))


MEADOW = Dataset(
    name="meadow",
    title="Meadow",
    classes=CLASSES,
    splits=("train", "test"),
    modalities=("visible",),
    size=(32, 32),
    channels=1,
    counts={"train": (2, 1), "test": (1, 1)},
    licence="Made up.",
    home="https://example.org/meadow",
    how_to_get="Make it up, and write its place into the configuration as `meadow: <path>`.",
    recognise=recognise,
    read=read,
    fit="squash",
)
'''
IMAGES = ("train/calm/1", "train/calm/2", "train/glad/3", "test/calm/4", "test/glad/5")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the reader's file alone."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/meadow.py").write_text(READER, encoding="utf-8")
    return tmp_path / "plugins"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The raw set: five images of 40×40 pixels."""
    files = {f"meadow/{name}.png": encoded(noise(seed, (40, 40)), "PNG") for seed, name in enumerate(IMAGES)}
    return as_folder(tmp_path / "raw set", files)


@pytest.fixture
def dropped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(readers, "__path__", [*readers.__path__, str(folder)])
    monkeypatch.setattr(catalog, "DATASETS", catalog.declared())
    yield
    sys.modules.pop("refer.datasets.readers.meadow", None)


@pytest.mark.usefixtures("dropped")
def test_it_is_prepared_and_its_counts_are_compared(source: Path, tmp_path: Path) -> None:
    obtain("meadow", str(source), tmp_path / "raw")
    prepare("meadow", tmp_path / "raw", tmp_path / "out", workers=1)
    found = Prepared(tmp_path / "out")
    assert sorted(found.index["id"]) == sorted(IMAGES)
    assert found.images.shape == (5, 32, 32, 1)
    assert found.about["counts"]["train"]["calm"] == {"found": 2, "known": 2}
    shutil.rmtree(source / "meadow/test/glad")
    obtain("meadow", str(source), tmp_path / "raw")
    with pytest.raises(UserError, match=r"test/glad: 0 of 1"):
        prepare("meadow", tmp_path / "raw", tmp_path / "out", workers=1)


@pytest.mark.usefixtures("dropped")
def test_two_files_cannot_declare_one_name(folder: Path) -> None:
    (folder / "zzz.py").write_text(READER, encoding="utf-8")
    with pytest.raises(ValueError, match=r"zzz\.py: another file declares the data set 'meadow'"):
        catalog.declared()


def test_it_is_listed_and_is_a_key_of_the_configuration(folder: Path, root: Path) -> None:
    code = f"""
        import json, sys
        from refer.datasets import readers
        readers.__path__.append({str(folder)!r})
        from refer import cli
        from refer.commands.schema import schema_text
        from refer.plan import load_plan
        told = {{"preset": "x", "title": "x", "reproduce": {{"tran2023": {{"data": []}}}}, "data": ["meadow"]}}
        plan = load_plan(told | {{"meadow": "/somewhere"}}, "here.yaml")
        try:
            load_plan(told, "here.yaml")
        except Exception as error:
            drawn = str(error)
        print(json.dumps([plan.source("meadow"), plan.datasets()[-1], drawn, schema_text("config")]))
        sys.exit(cli.main(["datasets", "meadow", "--json"]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=root, capture_output=True, text=True, check=True
    )
    first, _, rest = done.stdout.partition("\n")
    source, last, drawn, schema = json.loads(first)
    assert (source, last) == ("/somewhere", "meadow")
    assert drawn.startswith("here.yaml: meadow: it has no stand-in; say where it lies. Make it up")
    assert schema == (root / "workflow/schemas/config.schema.json").read_text(encoding="utf-8"), "no edit, no command"
    assert json.loads(rest)["title"] == "Meadow"
