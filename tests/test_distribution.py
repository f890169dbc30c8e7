"""Where several processes test, what is made once for several tests is made in one of them (conftest.py)."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def shared() -> list[str]:
    return []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_tests_that_share_a_fixture_stay_in_one_process(
    shared: list[str], number: int, request: pytest.FixtureRequest
) -> None:
    if "groups" not in getattr(request.config, "workerinput", {}):
        pytest.skip("one process tests, or they share tests out in another way: make test")
    shared.append(request.node.name)
    assert len(shared) == number
