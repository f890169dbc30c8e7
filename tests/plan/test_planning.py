"""What a configuration will take: counted images, measured speeds, runs put on devices."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from refer import cli, yaml
from refer.errors import UserError
from refer.plan import Plan, load_plan
from refer.planning import images
from refer.planning.estimate import STARTUP, estimate, schedule
from refer.planning.rates import Rate, cost_of, read_rates, speed
from refer.training.augment import COPIES

PRESETS = Path(__file__).resolve().parents[2] / "presets"


@pytest.fixture(scope="module")
def full(root: Path) -> Plan:
    return load_plan(yaml.read(root / "presets/full.yaml"), base=root)


def rate(network: str = "cnn resnet18", size: int = 100, device: str = "this", **other: object) -> Rate:
    usual = {"does": "training", "images_per_s": 10.0, "gflop": 4.0, "parameters": 1000, "source": "a test"}
    return Rate(network=network, size=size, device=device, **(usual | other))  # type: ignore[arg-type]


def test_images_of_each_part_are_those_of_the_owners(full: Plan) -> None:
    fer = full.run("khalid2025", "fer2013", "published", "full", 0)
    assert images.parts(full, fer) == {"train": 28709, "public": 3589, "private": 3589}
    raf = full.run("tran2023", "rafdb", "published", "resnet18", 0)
    assert images.parts(full, raf) == {"train": 12271, "test": 3068}
    audited = images.parts(full, full.run("tran2023", "rafdb", "audited", "resnet18", 0))
    assert audited == {"train": 12271 - 1227, "val": 1227, "test": 3068}
    viri = images.parts(full, full.run("naseem2025", "viri", "audited", "fused", 0))
    assert sum(viri.values()) in range(565, 568)


def test_folds_leave_one_out_and_another_for_the_choice(full: Plan) -> None:
    run = full.run("feratt2019", "bu3dfe", "audited", "rep-synthetic", 0, 0)
    assert images.parts(full, run) == {"train": 2000, "val": 250, "test": 250}
    assert images.total("ckplus", [1]) == 327


def test_copies_are_images_too_and_as_many_as_training_makes(full: Plan) -> None:
    assert images.COPIES == COPIES
    run = full.run("naseem2025", "viri", "published", "visible", 0)
    assert images.epoch(run, {"train": 100}) == 2600
    composed = full.run("feratt2019", "bu3dfe", "published", "rep-synthetic", 0, 0)
    each, drawn = (
        dataclasses.replace(composed, recipe=composed.recipe.model_copy(update={"draws": draws})) for draws in (None, 7)
    )
    assert (images.epoch(each, {"train": 100}), images.epoch(drawn, {"train": 100})) == (100, 7)


def test_speeds_are_measured_else_scaled_else_computed_and_it_is_said_which(full: Plan) -> None:
    run = full.run("tran2023", "rafdb", "published", "resnet18", 0)
    assert cost_of(run) == ("cnn resnet18", 224)
    here = speed([rate(size=224, images_per_s=33)], run, "this")
    assert (here.images_per_s, here.source) == (33, "measured")
    scaled = speed([rate(size=112)], run, "this")
    assert scaled.images_per_s == pytest.approx(10 / 4)
    assert "scaled" in scaled.source
    others = [rate(size=224, device="that"), rate("vgg", 224, images_per_s=100, gflop=2.0)]
    computed = speed(others, run, "this")
    assert computed.images_per_s == pytest.approx(100 * 2.0 / 4.0)
    assert "GFLOP/s of others" in computed.source
    assert speed(others, run, "", 8.0).images_per_s == pytest.approx(8000 / 4.0)


@pytest.mark.parametrize(
    ("wanted", "has", "images_per_s"),
    [("fp32", "avx512_bf16", 10), ("bf16", None, 19), ("auto", "avx512_bf16", 19), ("auto", None, 10)],
)
def test_a_cpu_in_bf16_has_a_speed_of_its_own(
    full: Plan, monkeypatch: pytest.MonkeyPatch, wanted: str, has: str | None, images_per_s: float
) -> None:
    monkeypatch.setattr("refer.planning.rates.bf16_instructions", lambda: has)
    found = full.run("tran2023", "rafdb", "published", "resnet18", 0)
    run = dataclasses.replace(found, recipe=found.recipe.model_copy(update={"precision": wanted}))
    known = [rate(size=224, device="cpu"), rate(size=224, device="cpu bf16", images_per_s=19)]
    assert speed(known, run, "cpu").images_per_s == images_per_s
    only = [rate(size=224, device="cpu"), rate("vgg", 224, device="cpu bf16", images_per_s=19)]
    assert speed(only, run, "cpu").images_per_s == 10, "what was not measured in bf16 is as slow as in fp32"


def test_what_nobody_measured_is_refused_with_what_to_do(full: Plan) -> None:
    run = full.run("tran2023", "rafdb", "published", "resnet18", 0)
    with pytest.raises(UserError, match=r"'cnn resnet18' is not known; measure it: python benchmarks/rates.py"):
        speed([rate("vgg")], run, "this")
    with pytest.raises(UserError, match=r"Nothing was measured on 'H100' \(known: this\)"):
        speed([rate()], run, "H100")


def test_the_time_of_a_run_is_that_of_its_images(full: Plan) -> None:
    one = full.config.reproduce["tran2023"].model_copy(
        update={"methods": ["resnet18"], "protocols": ["published"], "seeds": [0]}
    )
    plan = dataclasses.replace(full, config=full.config.model_copy(update={"reproduce": {"tran2023": one}}))
    found = estimate(plan, [rate(size=224, images_per_s=100)], device="this")
    looked_at = 50 * 3068 + 3068
    assert found.all.seconds == pytest.approx(2 * STARTUP + 50 * 12271 / 100 + looked_at / 300)
    assert found.together == pytest.approx(found.all.seconds)
    assert (found.all.runs, found.all.trained, found.all.jobs) == (1, 1, 2)


def test_runs_wait_for_their_parents_and_devices_are_kept_busy() -> None:
    seconds = {"a": 4.0, "b": 2.0, "c": 2.0, "d": 3.0}
    parents = {"d": ["a", "b"], "c": ["b"]}
    assert schedule(seconds, parents, 1) == 11
    assert schedule(seconds, parents, 2) == 7  # a then d, b then c
    assert schedule(seconds, parents, 100) == 7
    assert schedule({str(number): 1.0 for number in range(10)}, {}, 4) == 3


def test_every_network_of_the_full_preset_was_measured(full: Plan) -> None:
    known = {(row.network, row.size) for row in read_rates()}
    assert {cost_of(run) for run in full.runs()} <= known


@pytest.mark.parametrize("name", ["config.yaml", *(f"presets/{path.name}" for path in sorted(PRESETS.glob("*.yaml")))])
def test_every_configuration_can_be_planned(root: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "--configfile", str(root / name)]) == 0
    assert "| all " in capsys.readouterr().out


def test_the_plan_in_the_docs_is_what_is_printed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "--configfile", str(root / "presets/full.yaml")]) == 0
    printed = capsys.readouterr().out.replace(str(root) + "/", "")
    assert printed.strip() in (root / "docs/cluster.md").read_text(encoding="utf-8")


def test_a_number_of_devices_below_one_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "--configfile", str(root / "config.yaml"), "--devices", "0"]) == 1
    assert "above 0" in capsys.readouterr().err
