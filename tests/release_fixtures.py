"""A project with a small drawn preset, run to its end as far as a release can tell: nothing in it was measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import yaml

from refer.files import write_json
from refer.release.runs import Preset, find_preset
from refer.reporting.report import Report
from refer.reporting.run_set import read_records
from refer.reporting.score import Asked, score
from refer.reporting.tables.listings import write_audit
from report_fixtures import CLASSES, make_audit, write_run

TABLE = "results/small/tables/khalid2025.fer2013-standin.csv"


def make_project(root: Path, folder: Path, *, stand_in: bool = True) -> Path:
    """Copy what of a project goes into a release, write the runs of a preset and what follows from them."""
    for name in ("CITATION.cff", "LICENSE", "Snakefile", "pyproject.toml", "envs", "papers", "workflow"):
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, folder / name)
    config = {
        "preset": "small",
        "title": "A small preset",
        "fer2013": "stand-in" if stand_in else "somewhere",
        "standin": {"fer2013": {"images": {"Training": 8, "PublicTest": 8, "PrivateTest": 8}, "subjects": 3}},
        "reproduce": {
            "khalid2025": {
                "methods": ["full", "backbone"],
                "protocols": ["audited"],
                "seeds": [0, 1],
                "override": {"recipe.epochs": 3},
            }
        },
    }
    (folder / "presets").mkdir()
    (folder / "presets/small.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    preset = find_preset("small", folder)
    _write_runs(preset)
    make_audit(preset.folder / f"data/{preset.runs[0].data}/audit.json", preset.runs[0].data)
    derive(preset)
    return folder


def _write_runs(preset: Preset, images: int = 120) -> None:
    rng = np.random.default_rng(5)
    label = rng.integers(0, len(CLASSES), 2 * images)
    for run in preset.runs:
        logits = rng.normal(0, 1, (2 * images, len(CLASSES)))
        logits[np.arange(2 * images), label] += 1.2
        part = np.repeat(["public", "private"], images)
        write_run(
            preset.folder, data=run.data, protocol=run.protocol, method=run.method, seed=run.seed,
            ids=[f"test/{number:04d}.jpg" for number in range(2 * images)], part=part,
            kept=np.arange(2 * images) % 10 != 3, label=label, logits=logits, classes=CLASSES, epochs=3, rng=rng,
            network=run.network, recipe=run.as_dict()["recipe"], inputs=list(run.inputs), precision="float32",
        )  # fmt: skip
        place = preset.folder / "runs" / run.path
        # The hash that write_run states is that of the run's own path.
        (place / "checkpoint.safetensors").write_bytes(place.relative_to(preset.folder).as_posix().encode())


def derive(preset: Preset) -> None:
    """Write what follows from the runs, as the workflow would."""
    folder, data = preset.folder, preset.runs[0].data
    predictions, records = preset.paths("predictions.parquet"), preset.paths("run.json")
    results = score(Asked.by(preset.plan), predictions, records, [folder / "results.parquet", folder / "results.csv"])
    tables, report = folder / "tables", Report(Asked.by(preset.plan), results, read_records(records))
    report.write(tables / f"khalid2025.{data}{suffix}" for suffix in (".csv", ".md", ".tex", ".html"))
    report.write([tables / "runs.csv", tables / f"ambiguities.khalid2025.{data}.csv"])
    write_audit(folder / f"data/{data}/audit.json", [tables / f"audit.{data}.csv"])
    (folder / "figures/forest").mkdir(parents=True, exist_ok=True)
    (folder / f"figures/forest/khalid2025.{data}.svg").write_text("<svg/>", encoding="utf-8")
    (folder / "report.html").write_text("<!doctype html>", encoding="utf-8")
    write_json(folder / f"data/{data}/split.khalid2025.audited.json", {"paper": "khalid2025", "protocol": "audited",
               "data_fingerprint": "0" * 64})  # fmt: skip
