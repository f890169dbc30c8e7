"""The list of faults that tests must find (tests/mutations) still fits the code; trying them is `run.py`'s."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).with_name("mutations")))

from listed import Mutation
from run import MUTATIONS


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_its_text_stands_once_and_what_it_becomes_is_python(root: Path, mutation: Mutation) -> None:
    text = (root / mutation.file).read_text(encoding="utf-8")
    assert text.count(mutation.old) == 1, f"{mutation.file}: correct its list in tests/mutations"
    assert mutation.new != mutation.old
    ast.parse(text.replace(mutation.old, mutation.new))
    for test in mutation.tests:
        path, _, name = test.partition("[")[0].partition("::")
        assert f"def {name}" in (root / path).read_text(encoding="utf-8"), test


def test_names_are_unique_and_the_list_is_long_enough() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 30
