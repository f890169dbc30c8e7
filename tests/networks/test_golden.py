"""Every network returns what it returned, for weights and images by a formula: tests/golden/make.py says how.

If a network was meant to change: `python tests/golden/make.py`, look at what changed, and commit it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from golden import make
from refer.errors import UserError
from refer.networks import catalog
from refer.networks.options import names_backbone
from refer.papers import load_paper

CASES = [pytest.param(name, options, id=f"{name}-{make.words(options)}")
         for name in catalog.networks() for options in make.cases(name)]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_network_returns_what_it_did(name: str, options: dict[str, Any]) -> None:
    golden = make.read(name).get(make.words(options))
    assert golden is not None, "no golden: run python tests/golden/make.py"
    away = make.distance(make.outputs(name, options), golden)
    assert away <= make.TOLERANCE, (
        "if it was meant to change: run python tests/golden/make.py, and look at the difference"
    )


def test_there_are_no_goldens_of_networks_or_cases_that_are_none() -> None:
    assert {path.stem for path in make.FOLDER.glob("*.json")} == set(catalog.networks())
    for name in catalog.networks():
        assert list(make.read(name)) == [make.words(options) for options in make.cases(name)]
    assert {*make.MORE, *(name for name, _ in make.WITH)} <= set(catalog.networks()), (
        "cases of a network of another name"
    )


def test_a_case_for_every_value_that_a_paper_gives_an_option(root: Path) -> None:
    have = {
        (name, option, value)
        for name, entry in catalog.networks().items()
        for options in make.cases(name)
        for option, value in {**{k: f.default for k, f in entry.options.model_fields.items()}, **options}.items()
    }
    wanted = set()
    for path in sorted((root / "papers").glob("*.yaml")):
        for section in _sections(path):
            options = {k: v for k, v in section.items() if k not in ("name", *make.IGNORED)}
            wanted |= {(str(section["name"]), option, value) for option, value in options.items()}
    assert len(wanted) > 40
    missing = {each for each in wanted - have if not _counts(*each)}
    assert not missing, "add cases to tests/golden/make.py"


def _sections(path: Path) -> Iterator[Mapping[str, Any]]:
    """The network of every method of a paper, as it chooses and with each option of each ambiguity set in it."""
    raw, paper = yaml.safe_load(path.read_text(encoding="utf-8")), load_paper(path)
    options = [option for each in raw.get("ambiguities", {}).values() for option in each["options"].values()]
    for each in (paper, *paper.variants):
        for method in each.methods.values():
            section = {**each.network, **method.network}
            yield section
            known = catalog.networks()[str(section["name"])].options.model_fields
            for option in options:
                for key, value in option.items():
                    word = key.rpartition(".network.")[2] if ".network." in key else key.removeprefix("network.")
                    if "network." in key and word in known and _takes(str(section["name"]), word, value):
                        yield {"name": section["name"], word: value}


def _takes(name: str, option: str, value: Any) -> bool:
    try:
        catalog.check({"name": name, option: value}, "here")
    except UserError:
        return False
    return True


def _counts(name: str, option: str, value: Any) -> bool:
    """Whether other cases are as good: a number of which some value is tried, a backbone that `cnn` has a case of."""
    field = catalog.networks()[name].options.model_fields[option]
    if names_backbone(field):
        return any(options.get("backbone") == value for options in make.cases("cnn"))
    return type(field.default) is int and option in make.NUMBERS


def mixed(k: int) -> int:
    """One number of the table by Python's own whole numbers."""
    x = k
    x = ((x ^ (x >> 16)) * 0x7FEB352D) % 2**32
    x = ((x ^ (x >> 15)) * 0x846CA68B) % 2**32
    return ((x ^ (x >> 16)) >> 16) - 32_768


def test_weights_are_whole_numbers_by_a_formula() -> None:
    assert [int(make.TABLE[k]) for k in range(1000)] == [mixed(k) for k in range(1000)]
    assert np.array_equal(make.FRACTIONS.astype(np.float64) * 32_768, make.TABLE.astype(np.float64)), "exact in float32"
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    make.fill(net)
    state = net.state_dict()
    for name, by_hand in (
        ("0.weight", lambda t: t),
        ("0.bias", lambda t: t / 16),
        ("1.weight", lambda t: (2 + t) / 4),
        ("1.running_var", lambda t: 1 + t / 2),
        ("1.running_mean", lambda t: t / 4),
    ):
        start = zlib.crc32(name.encode()) % 65_537
        numbers = [by_hand(mixed((start + k) % 65_537) / 32_768) for k in range(state[name].numel())]
        assert state[name].flatten().tolist() == numbers, name


@pytest.mark.parametrize(("fan_in", "power"), [(12, 1.0), (13, 0.5), (48, 0.5), (576, 0.125), (4608, 2**-5)])
def test_weights_are_of_a_size_that_keeps_the_signal(fan_in: int, power: float) -> None:
    assert make.step(fan_in) == power
    assert 3 < power**2 * fan_in <= 12


def test_a_difference_is_a_share_of_the_largest_number() -> None:
    golden = {"parameters": 7, "eval": [1.0, -200.0]}
    assert make.distance({"parameters": 7, "eval": [1.0, -200.0]}, golden) == 0
    assert make.distance({"parameters": 7, "eval": [1.5, -200.0]}, golden) == pytest.approx(0.0025)
    for other in ({"parameters": 8, "eval": [1.0, -200.0]}, {"parameters": 7, "eval": [1.0]}, {"parameters": 7},
                  {"parameters": 7, "eval": [1.0, float("nan")]}):  # fmt: skip
        assert make.distance(other, golden) == float("inf")


def test_images_differ_and_lie_in_their_range() -> None:
    for name, (low, high) in {"cnn": (-2.25, 2.25), "gated_net": (0.0, 1.0)}.items():
        net = make.build(name, {})
        (batch,) = make.images(net, 32)
        assert batch.dtype == torch.float32
        assert torch.equal(batch.double() * 2**21, (batch.double() * 2**21).round()), "whole numbers, hence exact"
        assert low <= batch.min() < batch.max() <= high
        assert len({tuple(image.flatten().tolist()) for image in batch}) == len(batch)


def test_a_moved_network_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = {case: one for case, one in make.read("late_fusion").items() if case == "defaults"}
    numbers["defaults"]["eval"][0] += 1e-3
    (tmp_path / "late_fusion.json").write_text(json.dumps(numbers), encoding="utf-8")
    monkeypatch.setattr(make, "FOLDER", tmp_path)
    monkeypatch.setattr(make, "cases", lambda name: [{}])
    monkeypatch.setattr("sys.argv", ["make.py", "--check", "late_fusion"])
    assert make.main() == 1
    assert "late_fusion: defaults: 4." in capsys.readouterr().out  # 0.001 of 2.38
