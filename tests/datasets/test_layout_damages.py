"""A slice of benchmarks/layouts.py: damaged trees are refused, or what is prepared of them is right."""

from __future__ import annotations

import random

import pandas as pd
import pytest

from benchmark_fixtures import benchmark

layouts = benchmark("layouts")
TREES = ("rafdb folders", "viri")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, bytes], pd.DataFrame]]:
    """Return the files of each of TREES, and the index that they are prepared to."""
    found = {}
    for name in TREES:
        folder = tmp_path_factory.mktemp("tree")
        tree = layouts.drawn(name, folder)
        found[name] = (tree, layouts.prepared(layouts.TREES[name][0], tree, folder))
    return found


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("damage", [damage for damage in layouts.DAMAGES if damage != "exchange"])
def test_what_is_prepared_of_a_damaged_tree_is_right_or_refused(good, name, damage) -> None:  # type: ignore[no-untyped-def]
    tree, index = good[name]
    (other,) = set(TREES) - {name}
    damaged = layouts.DAMAGES[damage](tree, random.Random(damage), good[other][0])
    assert damaged.tree != tree
    outcome, said = layouts.attempt(layouts.TREES[name][0], damaged, layouts.truth(index))
    assert outcome in ("refused", "right"), said


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("label", 6, "label 6"),
        ("split", "test", "split 'test'"),
        ("subject", "S9", "subject 'S9'"),
        ("sha256", "0", "pixels"),
    ],
)
def test_what_is_wrong_is_seen(good, column: str, value: object, told: str) -> None:  # type: ignore[no-untyped-def]
    _, index = good["rafdb folders"]
    truth = layouts.truth(index)
    assert layouts.wrong(index, truth, other_pixels=False) == []
    row = index[(index["label"] != 6) & (index["split"] == "train") & ~index["sha256"].duplicated(keep=False)].index[0]
    changed = index.copy()
    changed.loc[row, column] = value
    (found,) = layouts.wrong(changed, truth, other_pixels=False)
    assert told in found


def test_a_partner_of_another_moment_is_seen(good) -> None:  # type: ignore[no-untyped-def]
    _, index = good["viri"]
    truth = layouts.truth(index)
    assert layouts.wrong(index, truth, other_pixels=False) == []
    changed = index.copy()
    infrared = changed.index[(changed["modality"] == "infrared") & changed["pair"].notna()]
    changed.loc[infrared, "pair"] = [*changed.loc[infrared[1:], "pair"], changed.loc[infrared[0], "pair"]]
    assert any("another moment" in each for each in layouts.wrong(changed, truth, other_pixels=False))
