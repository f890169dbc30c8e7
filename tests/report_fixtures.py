"""A made-up preset in the shape of the contract: predictions, run.json, training.csv and audit.json.

Every number is drawn from a seeded generator; nothing here was measured.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

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
    protocols: dict[str, StubProtocol] = field(
        default_factory=lambda: {
            "published": StubProtocol("every image as released"),
            "audited": StubProtocol("test images that also stand in an earlier part removed"),
        }
    )
    reported: list[StubReported] = field(default_factory=lambda: [StubReported("full", "fer2013", "accuracy", 83.0)])
    overruled: dict[str, str] = field(default_factory=lambda: {})
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
) -> None:
    run = folder / "runs" / "khalid2025" / data / protocol / method / f"seed{seed}"
    run.mkdir(parents=True)
    chance = np.exp(logits - logits.max(axis=1, keepdims=True))
    chance = (chance / chance.sum(axis=1, keepdims=True)).astype(np.float32)
    meta = {
        "paper": "khalid2025",
        "dataset": "fer2013",
        "data": data,
        "protocol": protocol,
        "method": method,
        "seed": seed,
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

    best = write_training(run / "training.csv", epochs, SKILL[method], rng)
    seconds = 40.0 * epochs + 10 * seed
    record = {
        **meta,
        "method_label": METHODS[method],
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
        "selection": "best accuracy on public",
        "seconds": seconds,
        "images_per_s": 28709 * epochs / seconds,
        "resumed": 0,
        "started": "2025-01-01T10:00:00+00:00",
        "finished": "2025-01-01T10:10:00+00:00",
    }
    (run / "run.json").write_text(json.dumps(record, indent=2))


def write_training(path: Path, epochs: int, skill: float, rng: np.random.Generator) -> int:
    """Write plausible curves; return the epoch that is best on public."""
    epoch = np.arange(1, epochs + 1)
    rise = 1 - np.exp(-epoch / 4)
    train = 0.2 + 0.45 * skill * rise + rng.normal(0, 0.004, epochs)
    public = 0.2 + 0.38 * skill * rise + rng.normal(0, 0.012, epochs)
    private = public + rng.normal(0, 0.008, epochs)
    lines = [
        "epoch,lr,train_loss,train_accuracy,public_loss,public_accuracy,"
        "private_loss,private_accuracy,seconds,images_per_s"
    ]
    for k in range(epochs):
        values = (0.01, 2.1 - 1.9 * train[k], train[k], 2.15 - 1.9 * public[k], public[k])
        values += (2.15 - 1.9 * private[k], private[k], 40.0, 717.7)
        lines.append(",".join([str(epoch[k]), *(f"{value:.6g}" for value in values)]))
    path.write_text("\n".join(lines) + "\n")
    return int(public.argmax()) + 1


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


def rewrite(path: Path, change) -> None:
    """Change a predictions file: `change` gets its columns as a dict of lists and its metadata."""
    table = pq.read_table(path)
    columns, meta = table.to_pydict(), json.loads(table.schema.metadata[b"refer"])
    change(columns, meta)
    fields = [pa.field(name, table.schema.field(name).type) for name in columns]
    changed = pa.table(columns, schema=pa.schema(fields, metadata={b"refer": json.dumps(meta).encode()}))
    pq.write_table(changed, path)
