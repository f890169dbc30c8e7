"""What docs/findings.md, the README and the front page say was found."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from refer.papers import load_paper
from refer.reporting.tables.reported_results import beside_best, untold

NUMBER = re.compile(r"(?<![\w.,/#-])\d+(?:,\d{3})*(?:\.\d+)?(?![\w/-]|[.,]\d)")
LINK = re.compile(r"\]\(([^)#\s]+)\)")


def claims(page: Path) -> list[tuple[str, set[str], list[Path]]]:
    """Return, for each paragraph or list entry that links tables, its words, its numbers and the tables."""
    found = []
    for block in re.split(r"\n\s*\n|\n(?=- )", page.read_text(encoding="utf-8")):
        tables = [page.parent / target for target in LINK.findall(block) if "/tables/" in target]
        words = re.sub(r"\]\([^)]*\)", "]", block)
        words = re.sub(r"`[^`]*`", "", words)
        numbers = {each for each in NUMBER.findall(words) if "." in each or "," in each}
        if tables:
            found.append((block, numbers, tables))
    return found


@pytest.mark.parametrize("name", ["docs/findings.md", "README.md"])
def test_every_number_stands_in_a_table_that_is_linked_beside_it(root: Path, name: str) -> None:
    known = claims(root / name)
    assert known, "no findings at all"
    for block, numbers, tables in known:
        text = "\n".join(path.read_text(encoding="utf-8") for path in tables)
        there = set(NUMBER.findall(re.sub(r"(?<=\d)–(?=\d)", " ", text)))
        assert numbers <= there, f"{sorted(numbers - there)} stand in none of the tables linked in: {block[:200]}"


@pytest.mark.slow
def test_what_duplicates_are_worth_is_what_the_script_prints_of_the_release(root: Path) -> None:
    command = [sys.executable, "benchmarks/duplicates.py", "--released", "results/fer2013"]
    command += ["--retrained", "results/duplicates"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    page = (root / "docs/verdicts.md").read_text(encoding="utf-8")
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ") and "seeds" not in line]
    assert len(rows) == 10 + 5
    assert [row for row in rows if row not in page] == []
    same, other = re.findall(r"([\d,]+) (?:images with a twin of the same|of another)", done.stdout)
    assert f"{same} images with a\ntwin of the same label and {other} with a twin of another" in page


def test_what_the_choice_of_the_epoch_lost_is_that_of_the_curves(root: Path) -> None:
    text = " ".join((root / "docs/findings.md").read_text(encoding="utf-8").split())
    runs = root / "results/fer2013/runs/peers/fer2013"
    at, chosen, late = [], [], []
    for seed in ("seed0", "seed1"):
        at.append(json.loads((runs / f"audited/compact/{seed}/run.json").read_text())["selected_epoch"])
        curves = {each: pd.read_csv(runs / f"{each}/compact/{seed}/training.csv") for each in ("published", "audited")}
        assert (curves["published"].train_loss == curves["audited"].train_loss).all(), "two different trainings"
        private, public = curves["published"].set_index("epoch").private_accuracy, curves["audited"].public_loss
        chosen.append(f"{100 * private[at[-1]]:.1f}")
        late.append(f"{100 * private.iloc[-1]:.1f}")
        assert len(public) - 2 <= public.argmin() <= len(public) - 1
        assert f"{public.min():.2f} in both" in text
    assert f"best after {at[0]} and {at[1]} of its {len(private)} epochs" in text
    assert f"has {chosen[0]} and {chosen[1]} % of all PrivateTest then" in text
    assert f"it has {late[0]} and {late[1]} (" in text


def test_without_the_residual_two_seeds_of_three_name_one_class(root: Path) -> None:
    runs = root / "results/fer2013/runs/tran2023/fer2013/audited/attention-no-residual"
    named = []
    for seed in range(3):
        table = pd.read_parquet(runs / f"seed{seed}/predictions.parquet")
        named.append(table.filter(like="p_").idxmax(axis=1).unique().tolist())
    assert named[1:] == [["p_happy"]] * 2
    assert len(named[0]) > 2


def test_the_wider_yardstick_kept_the_epochs_that_are_stated(root: Path) -> None:
    runs = root / "results/fer2013/runs/peers/fer2013/audited/wide"
    about = [json.loads((runs / f"seed{seed}/run.json").read_text()) for seed in (0, 1)]
    assert [each["selection"] for each in about] == ["lowest loss on public"] * 2
    text = " ".join((root / "docs/findings.md").read_text(encoding="utf-8").split())
    first, second = (each["selected_epoch"] for each in about)
    assert f"the {first}th and the {second}th." in text
    assert {round(each["seconds"] / 60) for each in about} == {67}
    assert "mean of two seeds of 67 minutes on a core each" in text


def test_two_numbers_of_one_method_are_not_said_to_be_two_methods(root: Path) -> None:
    paper = load_paper(root / "papers/peers.yaml")
    assert [each.method for each in paper.reported] == ["resnet18-ten-crop"] * 2, "stated by two repositories"
    assert untold(paper, beside_best(paper)) == []
    tran = load_paper(root / "papers/tran2023.yaml")
    assert untold(tran, beside_best(tran))
