"""A made-up preset in the shape of the contract: predictions, run.json, training.csv and audit.json.

Every number is drawn from a seeded generator; nothing here was measured.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from refer.datasets.catalog import DATASETS
from refer.papers import merged
from refer.plan import repeat
from refer.reporting.report import Report
from refer.reporting.run_set import read_records
from refer.reporting.score import Asked, score
from refer.spec import Averages, Paper

CLASSES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
SHARES = np.array([0.13, 0.015, 0.145, 0.245, 0.165, 0.115, 0.185])
METHODS = {
    "backbone": "VGG backbone",
    "region": "+ region attention",
    "self": "+ self-attention",
    "full": "Full framework",
}
SKILL = {"backbone": 1.05, "region": 1.10, "self": 1.12, "full": 1.20}


@dataclass
class StubMethod:
    label: str
    network: dict[str, object] = field(default_factory=dict)


@dataclass
class StubReported:
    method: str
    dataset: str
    metric: str
    value: float
    part: str | None = None
    n: int | None = None
    source: str = "abstract"
    note: str | None = None
    sd: float | None = None
    decimals: int | None = None
    fold_sizes: list[int] | None = None


@dataclass
class StubAmbiguity:
    question: str
    choice: str
    options: dict[str, object]
    reason: str


@dataclass
class StubProtocol:
    note: str


@dataclass
class StubPaper:
    id: str = "khalid2025"
    title: str = "Fine-Tuned CNNs with Self-Attention for Facial Expression Recognition"
    citation: str = "Khalid et al. 2025"
    doi: str = "10.59461/ijdiic.v4i2.166"
    methods: dict[str, StubMethod] = field(
        default_factory=lambda: {key: StubMethod(label) for key, label in METHODS.items()}
    )
    parts: dict[str, dict[str, str]] = field(
        default_factory=lambda: {"fer2013": {"train": "Training", "public": "PublicTest", "private": "PrivateTest"}}
    )
    test_sets: dict[str, str] = field(default_factory=lambda: {"fer2013": "private"})
    protocols: dict[str, StubProtocol] = field(
        default_factory=lambda: {
            "published": StubProtocol("every image as released"),
            "audited": StubProtocol("test images that also stand in an earlier part removed"),
        }
    )
    reported: list[StubReported] = field(default_factory=lambda: [StubReported("full", "fer2013", "accuracy", 83.0)])
    folds: dict[str, int] = field(default_factory=dict)
    metrics: Averages = field(default_factory=Averages)
    filed: dict[str, str] = field(default_factory=dict)
    overruled: dict[str, str] = field(default_factory=dict)
    layout: list[object] = field(default_factory=list)
    confusions: list[object] = field(default_factory=list)
    contrasts: list[object] = field(default_factory=list)
    departures: dict[str, str] = field(default_factory=lambda: {"recipe.epochs": "8 (was: 50)"})
    ambiguities: dict[str, StubAmbiguity] = field(
        default_factory=lambda: {
            "split": StubAmbiguity(
                "On which part of FER2013 is the accuracy measured?",
                "private",
                {"private": "PrivateTest, as in the contest", "public": "PublicTest"},
                "The contest's own convention; both parts are shown.",
            ),
            "backbone": StubAmbiguity(
                "Which backbone is fine-tuned?",
                "vggs",
                {"vggs": "small VGG", "resnet18": "ResNet-18"},
                "The paper names none; the smallest that trains on a CPU.",
            ),
        }
    )


def make_preset(
    root: Path,
    *,
    data: str = "fer2013-standin",
    images: int = 300,
    seeds: tuple[int, ...] = (0, 1),
    protocols: tuple[str, ...] = ("published", "audited"),
    classes: list[str] | None = None,
    preset: str = "demo",
    epochs: int = 8,
) -> Path:
    """Write a preset's runs under `root`/<preset> and return that folder. `images` counts each part."""
    classes = classes or CLASSES
    folder = root / preset
    rng = np.random.default_rng(7)
    shares = SHARES[: len(classes)] / SHARES[: len(classes)].sum()
    label = rng.choice(len(classes), size=2 * images, p=shares)
    part = np.repeat(["public", "private"], images)
    ids = [f"test/{p}/{k:05d}.jpg" for k, p in enumerate(part)]
    kept = rng.random(2 * images) > 0.09
    hard = rng.normal(0, 1.1, size=2 * images)
    closeness = rng.normal(0, 0.5, size=(len(classes), len(classes)))
    for protocol in protocols:
        for method in METHODS:
            for seed in seeds:
                logits = rng.normal(0, 0.9, size=(2 * images, len(classes))) + closeness[label]
                logits[np.arange(2 * images), label] += SKILL[method] + hard
                write_run(
                    folder,
                    data=data,
                    protocol=protocol,
                    method=method,
                    seed=seed,
                    ids=ids,
                    part=part,
                    kept=kept if protocol == "audited" else np.ones_like(kept),
                    label=label,
                    logits=logits,
                    classes=classes,
                    epochs=epochs,
                    rng=rng,
                )
    return folder


def write_run(
    folder: Path,
    *,
    data: str,
    protocol: str,
    method: str,
    seed: int,
    ids: list[str],
    part: np.ndarray,
    kept: np.ndarray,
    label: np.ndarray,
    logits: np.ndarray,
    classes: list[str],
    epochs: int,
    rng: np.random.Generator,
    paper: str = "khalid2025",
    dataset: str = "fer2013",
    fold: int | None = None,
    skill: float | None = None,
    watched: str = "public",
    **facts: object,
) -> None:
    """Write one run's files; `facts` replace what run.json would say."""
    run = folder / "runs" / paper / data / protocol / method / repeat(seed, fold)
    run.mkdir(parents=True)
    chance = np.exp(logits - logits.max(axis=1, keepdims=True))
    chance = (chance / chance.sum(axis=1, keepdims=True)).astype(np.float32)
    meta = {
        "paper": paper,
        "dataset": dataset,
        "data": data,
        "protocol": protocol,
        "method": method,
        "seed": seed,
        "fold": fold,
        "stand_in": data.endswith("-standin"),
        "classes": classes,
        "checkpoint_sha256": hashlib.sha256(str(run.relative_to(folder)).encode()).hexdigest(),
        "data_fingerprint": hashlib.sha256(data.encode()).hexdigest(),
        "preset": folder.name,
    }
    columns = {
        "id": pa.array(ids),
        "part": pa.array(part.tolist()),
        "kept": pa.array(kept),
        "label": pa.array(label.astype(np.int8)),
        **{f"p_{name}": pa.array(chance[:, k]) for k, name in enumerate(classes)},
    }
    table = pa.table(columns).replace_schema_metadata({b"refer": json.dumps(meta).encode()})
    pq.write_table(table, run / "predictions.parquet")

    best = write_training(run / "training.csv", epochs, skill or SKILL[method], rng, watched)
    seconds = 40.0 * epochs + 10 * seed
    record = {
        **meta,
        "network": {"name": method},
        "recipe": {"epochs": epochs, "lr": 0.01},
        "parameters": 1_234_567,
        "initial_weights": "none (from scratch)",
        "parts": {"train": 28709, "public": 3589, "private": 3589},
        "device": "cpu",
        "device_name": "a processor with 2 cores",
        "threads": 2,
        "versions": {"refer": "0.1.0", "python": "3.11.0", "torch": "2.11.0", "numpy": "2.4.6"},
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
        "epochs": epochs,
        "selected_epoch": best,
        "selection": f"best accuracy on {watched}" if epochs else "nothing to train",
        "seconds": seconds,
        "images_per_s": 28709 * epochs / seconds if epochs else 1e6,
        "reads_batch": False,
        "starts_from": {},
        "resumed": 0,
        "started": "2025-01-01T10:00:00+00:00",
        "finished": "2025-01-01T10:10:00+00:00",
        **facts,
    }
    (run / "run.json").write_text(json.dumps(record, indent=2))


def write_training(path: Path, epochs: int, skill: float, rng: np.random.Generator, watched: str = "public") -> int:
    """Write plausible curves; return the epoch that is best on the part that is watched."""
    if not epochs:
        path.write_text(f"epoch,{watched}_loss,{watched}_accuracy\n0,1.1,0.5\n")
        return 0
    epoch = np.arange(1, epochs + 1)
    rise = 1 - np.exp(-epoch / 4)
    train = 0.2 + 0.45 * skill * rise + rng.normal(0, 0.004, epochs)
    seen = 0.2 + 0.38 * skill * rise + rng.normal(0, 0.012, epochs)
    lines = [f"epoch,lr,train_loss,train_accuracy,{watched}_loss,{watched}_accuracy,seconds,images_per_s"]
    for k in range(epochs):
        values = (0.01, 2.1 - 1.9 * train[k], train[k], 2.15 - 1.9 * seen[k], seen[k], 40.0, 717.7)
        lines.append(",".join([str(epoch[k]), *(f"{value:.6g}" for value in values)]))
    path.write_text("\n".join(lines) + "\n")
    return int(seen.argmax()) + 1


def make_paper(
    root: Path,
    paper: Paper,
    dataset: str,
    *,
    images: int = 60,
    seeds: tuple[int, ...] = (0,),
    folds: tuple[int, ...] = (),
    epochs: int = 3,
    methods: Collection[str] | None = None,
    suffix: str = "-standin",
    preset: str = "demo",
) -> Path:
    """Write the runs of a paper's methods under `root`/<preset>, as a configuration would, and return that folder.

    `images` counts each part; with `folds`, those of all people, who are shared out among the paper's folds.
    """
    folder, rng = root / preset, np.random.default_rng(11)
    classes = list(DATASETS[dataset].classes)
    label = rng.integers(0, len(classes), images)
    hard = rng.normal(0, 1.1, images)
    group = np.arange(images) * paper.folds.get(dataset, 1) // images
    for key, rule in paper.protocols.items():
        spec = paper.under(key)
        parts = spec.data[dataset].evaluated(rule)
        for number, (method, chosen) in enumerate(spec.methods.items()):
            if methods is not None and method not in methods:
                continue
            network, skill = {**spec.network, **chosen.network}, 1.5 + 0.08 * number
            late = network["name"] == "late_fusion"
            for seed in seeds:
                for fold in folds or [None]:
                    rows, part = [], []
                    for name in parts:
                        shift = 0 if fold is None else fold + (name == "val")
                        mine = np.flatnonzero(group == shift % paper.folds.get(dataset, 1))
                        rows.append(mine)
                        part += [name] * len(mine)
                    at = np.concatenate(rows)
                    logits = rng.normal(0, 0.9, (len(at), len(classes)))
                    logits[np.arange(len(at)), label[at]] += skill + hard[at]
                    prefix = [name if fold is None else "all" for name in part]
                    write_run(
                        folder,
                        paper=paper.id,
                        dataset=dataset,
                        data=f"{dataset}{suffix}",
                        protocol=key,
                        method=method,
                        seed=seed,
                        fold=fold,
                        ids=[f"{split}/{k:05d}.png" for split, k in zip(prefix, at, strict=True)],
                        part=np.array(part),
                        kept=np.ones(len(at), dtype=bool) if not rule.audited else at % 20 != 7,
                        label=label[at],
                        logits=logits,
                        classes=classes,
                        epochs=0 if late else epochs,
                        rng=rng,
                        skill=0.4 * skill,
                        watched=rule.select,
                        network=network,
                        recipe=merged(spec.recipe.model_dump(mode="json"), chosen.recipe),
                        initial_weights={"none": "none (from scratch)"}.get(network["weights"], network["weights"]),
                        starts_from=dict(chosen.starts_from),
                        reads_batch=network.get("tokens") == "batch",
                        parts={"train": 9 * images, **{name: part.count(name) for name in parts}},
                    )
    return folder


def make_audit(path: Path, data: str = "fer2013-standin") -> Path:
    """Write an audit.json with the counts that shared/data/README.md gives for FER2013 (where it gives any)."""
    counts = {
        "Training": [3995, 436, 4097, 7215, 4830, 3171, 4965],
        "PublicTest": [467, 56, 496, 895, 653, 415, 607],
        "PrivateTest": [491, 55, 528, 879, 594, 416, 626],
    }
    audit = {
        "dataset": "fer2013",
        "stand_in": data.endswith("-standin"),
        "data_fingerprint": hashlib.sha256(data.encode()).hexdigest(),
        "images": 35887,
        "counts": {split: dict(zip(CLASSES, row, strict=True)) for split, row in counts.items()},
        "groups": 1516,
        "images_in_groups": 3369,
        "surplus": 1853,
        "groups_across_splits": 557,
        "conflicting_groups": 57,
        "conflicting_images": 130,
        "also_in": {
            "Training": {"PublicTest": 290, "PrivateTest": 299},
            "PublicTest": {"Training": 280, "PrivateTest": 45},
            "PrivateTest": {"Training": 288, "PublicTest": 44},
        },
        "test_images_in_train": 568,
        "blanks": {
            "Training": {"count": 11, "ids": [f"train/{k}.jpg" for k in range(11)]},
            "PublicTest": {"count": 1, "ids": ["test/1.jpg"]},
            "PrivateTest": {"count": 0, "ids": []},
        },
        "subjects": {
            "known": False,
            "images_with_subject": 0,
            "per_split": dict.fromkeys(counts, 0),
            "overlap": {a: {b: 0 for b in counts if b != a} for a in counts},
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(audit, indent=2))
    return path


def predictions_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("predictions.parquet"))


def runs_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("run.json"))


SUFFIXES = (".csv", ".md", ".tex", ".html")


def scored(folder: Path, *papers: object, **asked: object) -> Report:
    """Write the results table of a preset, and return what all its tables are made from."""
    wanted = Asked({paper.id: paper for paper in papers or [StubPaper()]}, **asked)
    training = [path.with_name("training.csv") for path in runs_of(folder)]
    results = score(wanted, predictions_of(folder), runs_of(folder), [folder / "results.parquet"], training)
    return Report(wanted, results, read_records(runs_of(folder)))


def written(report: Report, name: str, folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> dict[str, Path]:
    """Write a table in every format; return its files by suffix."""
    outputs = [folder / f"tables/{name}{suffix}" for suffix in suffixes]
    report.write(outputs)
    return {path.suffix: path for path in outputs}


def rewrite(path: Path, change) -> None:
    """Change a predictions file: `change` gets its columns as a dict of lists and its metadata."""
    table = pq.read_table(path)
    columns, meta = table.to_pydict(), json.loads(table.schema.metadata[b"refer"])
    change(columns, meta)
    fields = [pa.field(name, table.schema.field(name).type) for name in columns]
    changed = pa.table(columns, schema=pa.schema(fields, metadata={b"refer": json.dumps(meta).encode()}))
    pq.write_table(changed, path)


def written_in(path: Path) -> list[str]:
    """Return the lines of text in an SVG, in their order; fail where it is not what a page can hold several of.

    That is: well-formed, without ids, scripts and addresses, and no letter of it an outline (all outlines of DejaVu
    Sans have quadratic curves, which no figure of ours has).
    """
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    for element in root.iter():
        assert element.tag.removeprefix(space) in {"svg", "title", "g", "path", "circle", "image", "text"}, path
        assert not {"id", "style", "class", "onload"} & set(element.attrib), path
        assert "q" not in element.get("d", "").lower(), f"{path}: a letter as an outline"
        assert element.get("href", "data:image/").startswith("data:image/")
    assert text.count("http") == 1, "the name of the vocabulary"
    return [line.text or "" for line in root.iter(f"{space}text")]
