"""What tests share: where the project lies, the real FER2013 if it is there, and tiny prepared data."""

from __future__ import annotations

import gc
import json
import os
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

# Before NumPy and PyTorch are imported, and for all that tests start: several processes test at once, and two that
# have two threads each on two cores wait for one another.
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from refer import files

# An example that takes long on a busy machine is no fault.
settings.register_profile("busy", settings(), deadline=None)
settings.load_profile("busy")

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "data" / "fer2013.tar.xz"
FIRST = ("story", "demo", "real_fer2013", "kill", "made")
"""Fixtures whose tests begin first where several processes test, the longest of all in front: nobody waits for them at
the end."""
LONG = ("workflow", "slow")
"""Marks of what comes next."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes test, let the longest begin first, and tell who distributes them what stays together.

    Tests that share a fixture of their module stay in one process, so that it is made once; all others go to whoever is
    free.
    """
    told = getattr(config, "workerinput", {}).get("groups")
    if told is None:
        return
    items.sort(key=_rank)
    if config.workerinput["workerid"] == "gw0":  # type: ignore[attr-defined] - all collect the same
        groups = {item.nodeid: group for item in items if (group := _shared(item))}
        Path(told).write_text(json.dumps(groups), encoding="utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Name the file in which a process says what stays together."""
    if node.config.getoption("dist") == "loadscope":
        node.workerinput["groups"] = str(_groups(node.config))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute by those groups; xdist's own (`--dist loadgroup`) rest on ids that pytest 9 does not change."""
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        @cached_property
        def groups(self) -> dict[str, str]:
            return dict(json.loads(_groups(config).read_text(encoding="utf-8")))

        def _split_scope(self, nodeid: str) -> str:
            return self.groups.get(nodeid, nodeid)

    return Together(config, log)


def _groups(config: pytest.Config) -> Path:
    if not hasattr(config, "groups_folder"):
        config.groups_folder = tempfile.TemporaryDirectory()  # type: ignore[attr-defined]
    return Path(config.groups_folder.name, "groups.json")  # type: ignore[attr-defined]


def pytest_collection_finish() -> None:
    """Leave what was imported so far out of every later garbage collection: a million objects that stay."""
    gc.collect()
    gc.freeze()


def _shared(item: pytest.Item) -> str | None:
    """The name of what a test shares with others: the first of FIRST that it uses, or its module's fixtures."""
    uses = getattr(item, "fixturenames", [])
    for name in FIRST:
        if name in uses:
            return name
    definitions = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    module = item.nodeid.partition("::")[0]
    own = any(one.scope == "module" and one.baseid == module for name in uses for one in definitions.get(name, ()))
    return module if own else None


def _rank(item: pytest.Item) -> int:
    uses = getattr(item, "fixturenames", [])
    for place, name in enumerate(FIRST):
        if name in uses:
            return place
    return len(FIRST) + (0 if any(item.get_closest_marker(mark) for mark in LONG) else 1)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def real_fer2013() -> Path:
    if not REAL.is_file():
        pytest.skip("the real FER2013 is not at ../shared/data/fer2013.tar.xz")
    return REAL


@pytest.fixture(scope="session")
def real_prepared(real_fer2013: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with raw/ and prepared/ of the real FER2013."""
    from refer.datasets.prepare import prepare
    from refer.datasets.raw.obtain import obtain

    folder = tmp_path_factory.mktemp("real")
    obtain("fer2013", str(real_fer2013), folder / "raw")
    prepare("fer2013", folder / "raw", folder / "prepared")
    return folder


class Prepared:
    """A prepared data set of blobs: the class decides where a bright square lies, so that it can be learnt."""

    def __init__(self, folder: Path, images: int = 240, classes: int = 3, size: int = 48) -> None:
        rng = np.random.default_rng(0)
        labels = np.arange(images) % classes
        pixels = rng.integers(0, 90, (images, size, size, 1), dtype=np.uint8)
        for image, label in zip(pixels, labels, strict=True):
            image[8 + 12 * label : 20 + 12 * label, 8:40] += 120
        self.path = folder / "prepared"
        self.split = folder / "split.parquet"
        self.path.mkdir(parents=True)
        np.save(self.path / "images.npy", pixels)
        names = ["angry", "happy", "sad", "surprise", "fear", "disgust", "neutral"][:classes]
        ids = [f"image{number:04d}" for number in range(images)]
        index = pd.DataFrame({"id": ids, "label": labels.astype(np.int8), "class": [names[label] for label in labels]})
        index.to_parquet(self.path / "index.parquet")
        part = np.where(np.arange(images) < images // 2, "train", "public").astype(object)
        part[np.arange(images) >= 3 * images // 4] = "private"
        kept = np.ones(images, dtype=bool)
        kept[-1] = False
        pd.DataFrame({"id": ids, "fold": 0, "part": part, "kept": kept, "reason": ""}).to_parquet(self.split)
        files.write_json(self.path / "prepare.json", {"fingerprint": "0" * 64, "classes": names})


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return Prepared(tmp_path)
