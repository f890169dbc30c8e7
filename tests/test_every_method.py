"""Every method of every paper, as its file describes it but small, learns for an epoch and predicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from refer import files
from refer.evaluation.ahead import Asked, predict_ahead, take_over
from refer.papers import load_paper
from refer.plan import Plan, Run, load_plan
from refer.training.train import train
from task_fixtures import Paired

ROOT = Path(__file__).resolve().parents[1]
PAPERS = {path.stem: load_paper(path) for path in sorted((ROOT / "papers").glob("*.yaml"))}
CELLS = [
    (paper, protocol, method)
    for paper, spec in PAPERS.items()
    for protocol in spec.protocols
    for method in spec.methods
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Paired:
    made = Paired(tmp_path_factory.mktemp("data"), moments=60)
    split = pd.read_parquet(made.split)
    # By whatever name a paper calls its parts.
    moment = split["id"].str.split("/").str[1].astype(int)
    split["part"] = split["part"].where(moment < 30, "test").where((moment < 30) | (moment >= 45), "val")
    split["twin"] = (split["part"] == "train") & (moment % 5 == 0)
    split.to_parquet(made.split)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def small(run: Run) -> Run:
    """Return the run with the smallest backbones and images; all else is as the paper's file says."""
    network = {key: "compact" if key in ("backbone", "first", "second", "encoder") else value
               for key, value in run.network.items()} | {"weights": "none"}  # fmt: skip
    if network["name"] == "ferattention":
        network |= {"encoder": "compact", "backbone": "compact", "filters": 2}
    elif "backbone" not in network and network["name"] in ("cnn", "gated_net", "interleaved_fusion"):
        network["backbone"] = "compact"
    change: dict[str, Any] = {"epochs": 1, "batch_size": 16, "image_size": 32, "draws": run.recipe.draws and 30}
    if run.recipe.compose is not None:
        change["compose"] = run.recipe.compose.model_copy(update={"size": 32})
    if run.recipe.augmentation.copies != "none":
        change["batch_size"] = 64
    parts = {"select": "val" if run.select != "last" else "last", "evaluated": ("val", "test")}
    return dataclasses.replace(run, network=network, recipe=run.recipe.model_copy(update=change), fold=None, **parts)


@cache
def planned(paper: str) -> Plan:
    config = {"preset": "t", "title": "t", "reproduce": {paper: {}},
              "standin": {name: {"subjects": 9} for name in PAPERS[paper].data}}  # fmt: skip
    return load_plan(config, base=ROOT)


def of(paper: str, protocol: str, method: str) -> Run:
    return small(planned(paper).run(paper, next(iter(PAPERS[paper].data)), protocol, method, 0))


def parameters() -> Iterator[Any]:
    """Every cell; one that learns as another does, with the same network and recipe, only repeats it."""
    seen: list[dict[str, Any]] = []
    for cell in CELLS:
        does = of(*cell).as_dict() | {"protocol": "", "evaluated": [], "select": ""}
        marks = [pytest.mark.repeats] if does in seen else []
        seen.append(does)
        yield pytest.param(*cell, id="-".join(cell), marks=marks)


def trained(paper: str, protocol: str, method: str, data: Paired, folder: Path) -> Path:
    """Train a method and what it begins with, each once."""
    run = of(paper, protocol, method)
    out = folder / paper / protocol / method
    if not (out / "run.json").is_file():
        parents = {
            branch: trained(paper, protocol, parent, data, folder) / "checkpoint.safetensors"
            for branch, parent in run.parents.items()
        }
        train(run, data.path, data.split, out, parents=parents, backgrounds=data.backgrounds)
    return out


@pytest.mark.parametrize(("paper", "protocol", "method"), list(parameters()))
def test_it_learns_and_predicts(paper: str, protocol: str, method: str, data: Paired, folder: Path) -> None:
    out = trained(paper, protocol, method, data, folder)
    asked = Asked(out / "checkpoint.safetensors", data.path, data.split, ("val", "test"), backgrounds=data.backgrounds)
    asked.predict(out / "alone.parquet")
    assert predict_ahead(asked)
    assert take_over(asked, out / "p.parquet")
    assert files.sha256(out / "p.parquet") == files.sha256(out / "alone.parquet")
    table = pd.read_parquet(out / "p.parquet")
    scores = table[[name for name in table if name.startswith("p_")]].to_numpy()
    assert set(table["part"]) == {"val", "test"}
    assert scores.shape == (len(table), 3)
    assert abs(scores.sum(axis=1) - 1).max() < 1e-4
    assert (out / "training.csv").read_text().count("\n") == 2
