"""What keeps planning quick, by counting what is done: a busy machine says nothing about seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from refer.plan import Plan, load_plan

HEAVY = [
    "torch",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "matplotlib",
    "PIL",
    "snakemake",
    "jinja2",
    "requests",
]


@pytest.mark.parametrize("module", ["refer", "refer.plan", "refer.workflow", "refer.cli"])
def test_planning_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(len(sys.modules), *(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, *heavy = done.stdout.split()
    assert heavy == []
    assert int(count) < 450, "0.2 s; NumPy alone would bring 130, pandas 700"


def test_a_run_is_made_once_however_often_snakemake_asks(root: Path) -> None:
    config = {
        "preset": "t", "title": "t", "standin": {"fer2013": {"images": {"Training": 60}, "subjects": 3}},
        "reproduce": {"khalid2025": {"methods": "all", "seeds": list(range(10))}},
    }  # fmt: skip
    with mock.patch.object(Plan, "_make", autospec=True, side_effect=Plan._make) as made:
        plan = load_plan(config, base=root)
        for _ in range(5):
            runs = list(plan.runs())
            plan.examples()
            plan.datasets()
    assert len(runs) == 80
    assert made.call_count == 80
