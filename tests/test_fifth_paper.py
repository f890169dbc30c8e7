"""A new paper is a file: one YAML in a folder, and its table is made."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from test_workflow import copy_of, small, snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

INVENTED = """
id: invented2026
title: A Paper That Nobody Wrote
authors: [A. Nobody]
year: 2026
venue: Journal of Invented Results
doi: none
licence: none
summary: Joins a network trained before with a new one of another kind, on a data set that no other paper joins them on.
data:
  fer2013:
    parts: {train: Training, val: PublicTest, test: PrivateTest}
protocols:
  published: {audited: false, select: test}
  audited: {audited: true, select: val, changes: {recipe.label_smoothing: 0.0}}
network: {weights: none, channels: 1}
recipe:
  epochs: 2
  batch_size: 32
  image_size: 32
  optimizer: adamw
  lr: 1.0e-3
  label_smoothing: 0.1
methods:
  alone:
    label: One network
    network: {name: cnn, backbone: compact}
  joined:
    label: Joined with another
    starts_from: {first: alone}
    network: {name: fusion_attention, first: compact, second: compact, frozen: false, tokens: channels, residual: false}
reported:
  - {method: joined, dataset: fer2013, value: 99.9, part: test, n: 3589, source: imagination}
ambiguities:
  optimizer:
    question: Which optimizer?
    reason: nobody said
    choice: adamw
    options:
      adamw: {recipe.optimizer: adamw}
      sgd: {recipe.optimizer: sgd, recipe.lr: 0.01}
"""


def test_a_fifth_paper_is_one_file(root: Path, tmp_path: Path) -> None:
    clone = copy_of(root, tmp_path)
    (clone / "papers/invented2026.yaml").write_text(INVENTED, encoding="utf-8")
    name = small(clone, reproduce={"invented2026": {"protocols": ["audited"]}}, ambiguity={})
    table = "results/small/tables/invented2026.fer2013-standin.csv"
    done = snakemake(clone, table, "--cores", "2", "--configfile", name)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_csv(clone / table).set_index(["method", "part"])
    assert rows.loc[("joined", "test"), "reported"] == 99.9
    assert 0 < rows.loc[("joined", "test"), "mean"] < 100
    assert set(rows.index.get_level_values("method")) == {"alone", "joined"}
    text = (clone / table).with_suffix(".md").read_text(encoding="utf-8")
    assert "Goes on from the trained “One network”" in text
    questions = (clone / "results/small/tables/ambiguities.invented2026.fer2013-standin.md").read_text(encoding="utf-8")
    assert "nobody said" in questions
    switched = snakemake(clone, table, "-n", "--configfile", name, "--config", "ambiguity__invented2026__optimizer=sgd")
    assert "params have changed" in switched.stdout + switched.stderr
    assert yaml.safe_load((clone / "papers/invented2026.yaml").read_text())["id"] == "invented2026"
