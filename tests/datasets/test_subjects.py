"""A pattern of subjects may be any regular expression, and none of them holds a data set up for ever."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from refer.cli import main
from refer.datasets.subjects import finder
from refer.errors import UserError


@pytest.mark.parametrize(
    ("pattern", "name", "subject"),
    [
        (r"/(?P<subject>S\d+)_", "VIRI-Angry-Vis/S012_3.jpg", "S012"),
        (r"/(?P<subject>S\d+)_", "VIRI-Angry-Vis/12.jpg", None),
        (r"(?<=p_)(?P<subject>\d*)(?!\d)", "p_7.jpg", "7"),
        (r"p(?P<subject>\d*)", "p.jpg", None),
        (r"(\d)\1(?P<subject>[a-z])", "44b", "b"),
    ],
)
def test_the_group_is_the_person(pattern: str, name: str, subject: str | None) -> None:
    assert finder(pattern)(name) == subject


def test_a_pattern_that_tries_ever_more_ways_is_stopped() -> None:
    find = finder(r"(?P<subject>(a|aa|a?b?)+)+$", seconds=0.5)
    began = time.perf_counter()
    with pytest.raises(UserError, match=r"took more than 0\.5 s, the last of it on 'aaa"):
        [find("a" * number + "!") for number in range(30, 60)]
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(
    ("pattern", "said"), [("(?P<subject>", "is no regular expression"), (r"S\d+", "has no group named subject")]
)
def test_a_broken_pattern_is_found_by_refer_check(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    pattern: str, said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(root)
    config = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | {"subject_pattern": {"viri": pattern}}))
    assert main(["check", str(tmp_path / "config.yaml")]) == 1
    assert f"subject_pattern.viri: The subject pattern {pattern!r} {said}" in capsys.readouterr().err
