"""Training: it learns, it repeats itself bit by bit, it survives being killed, it says what went wrong."""

from __future__ import annotations

import copy
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import Prepared
from refer import files, yaml
from refer.errors import UserError
from refer.evaluation.inference import infer
from refer.plan import Run, load_plan
from refer.spec import Recipe
from refer.training import checkpoint
from refer.training.data import standardise
from refer.training.environment import same_bits
from refer.training.optimisation import Optimizer, build_optimizer, learning_rate
from refer.training.task import network_of
from refer.training.train import best_epoch, train


@pytest.fixture
def run(root: Path) -> Run:
    plan = load_plan(yaml.read(root / "config.yaml"), base=root)
    found = plan.run("khalid2025", "fer2013", "audited", "full", 0)
    recipe = found.recipe.model_copy(update={"epochs": 3, "batch_size": 16})
    return dataclasses.replace(found, recipe=recipe)


def test_a_run_learns_and_says_how(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    train(run, prepared.path, prepared.split, tmp_path / "out", preset="test", report=lambda *now: told.append(now))
    curve = pd.read_csv(tmp_path / "out/training.csv")
    about = json.loads((tmp_path / "out/run.json").read_text())
    assert list(curve["epoch"]) == [1, 2, 3]
    assert curve["public_accuracy"].max() > 0.6, "a bright bar in one of three places"
    assert about["selected_epoch"] == 3 - int(np.argmax(curve["public_accuracy"].to_numpy()[::-1])), "ties: the later"
    assert about["checkpoint_sha256"] == files.sha256(tmp_path / "out/checkpoint.safetensors")
    assert about["parts"] == {"train": 120, "public": 60, "private": 59}
    assert about["seed"] == 0
    assert about["preset"] == "test"
    assert not (tmp_path / "out/resume.safetensors").exists()
    assert told[-1][0] == told[-1][1] == 3 * 112, "seven batches of 16 an epoch"


def test_the_lowest_loss_chooses_the_epoch_where_the_recipe_says_so(
    prepared: Prepared, run: Run, tmp_path: Path
) -> None:
    by_loss = dataclasses.replace(run, recipe=run.recipe.model_copy(update={"criterion": "loss"}))
    train(by_loss, prepared.path, prepared.split, tmp_path / "out", preset="test")
    curve = pd.read_csv(tmp_path / "out/training.csv")
    about = json.loads((tmp_path / "out/run.json").read_text())
    assert about["selected_epoch"] == 3 - int(np.argmin(curve["public_loss"].to_numpy()[::-1])), "ties: the later"
    assert about["selection"] == "lowest loss on public"


@pytest.mark.parametrize(
    ("criterion", "select", "kept"), [("accuracy", "public", 3), ("loss", "public", 4), ("accuracy", "last", 5)]
)
def test_loss_accuracy_and_the_last_epoch_each_choose_their_own(
    run: Run, criterion: str, select: str, kept: int
) -> None:
    recipe = run.recipe.model_copy(update={"criterion": criterion})
    asked = dataclasses.replace(run, recipe=recipe, select=select)
    measured = ((1.2, 0.4), (0.9, 0.6), (1.0, 0.6), (0.9, 0.5), (1.1, 0.3))
    history = [{"public_loss": loss, "public_accuracy": accuracy} for loss, accuracy in measured]
    assert best_epoch(asked, history) == kept


def test_a_criterion_that_is_not_named_is_not_in_what_decides_a_run(run: Run) -> None:
    assert "criterion" not in run.as_dict()["recipe"], "released runs were made without knowing of it"
    by_loss = dataclasses.replace(run, recipe=run.recipe.model_copy(update={"criterion": "loss"}))
    assert Run.from_dict(by_loss.as_dict()) == by_loss


def test_predictions_are_those_of_the_selected_epoch(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    split = pd.read_parquet(prepared.split)
    split.loc[split.index[split["part"] == "public"][:20], "kept"] = False
    split.to_parquet(prepared.split)
    train(run, prepared.path, prepared.split, tmp_path)
    infer(tmp_path / "checkpoint.safetensors", prepared.path, prepared.split, tmp_path / "predictions.parquet")
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    public = table[table["part"] == "public"]
    scores = table[[name for name in table if name.startswith("p_")]].to_numpy()
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)
    assert (len(public), len(table)) == (60, 120)
    assert int((~table["kept"]).sum()) == 21, "removed images are predicted, and marked"
    counted = ((table["part"] == "public") & table["kept"]).to_numpy()
    curve = pd.read_csv(tmp_path / "training.csv").set_index("epoch")
    right = (scores.argmax(1) == table["label"])[counted].mean()
    assert right == pytest.approx(curve["public_accuracy"].max())
    # The look after an epoch leaves out what was removed, and sees what predictions see: no dropout, and no image is
    # normalised by its neighbours.
    given = scores[np.arange(len(table)), table["label"]][counted]
    selected = files.read_json(tmp_path / "run.json")["selected_epoch"]
    assert -np.log(given).mean() == pytest.approx(curve["public_loss"][selected], rel=1e-3)


def test_infer_refuses_a_checkpoint_of_other_data(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    train(run, prepared.path, prepared.split, tmp_path / "out")
    about = files.read_json(prepared.path / "prepare.json")
    files.write_json(prepared.path / "prepare.json", about | {"fingerprint": "1" * 64})
    with pytest.raises(UserError, match="trained on other data"):
        infer(tmp_path / "out/checkpoint.safetensors", prepared.path, prepared.split, tmp_path / "p.parquet")
    assert not (tmp_path / "p.parquet").exists()


def test_the_same_seed_gives_the_same_bits_and_another_does_not(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(dataclasses.replace(run, seed=seed), prepared.path, prepared.split, tmp_path / name)
    tensors = [checkpoint.load(tmp_path / name / "checkpoint.safetensors")[0]["network"] for name in "abc"]
    assert all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    assert not all(torch.equal(tensors[0][name], tensors[2][name]) for name in tensors[0])
    first, again, other = (network_of(dataclasses.replace(run, seed=seed), 3, {}).state_dict() for seed in (0, 0, 1))
    assert torch.equal(first["head.1.weight"], again["head.1.weight"])
    assert not torch.equal(first["head.1.weight"], other["head.1.weight"]), "the first weights are the seed's"


def interrupted_after(epochs: int, run: Run, prepared: Prepared, out: Path) -> None:
    """Stop a run by an exception from its report, as an interrupt would."""

    class StopHereError(Exception):
        pass

    def report(_done: int, _total: int, note: str) -> None:
        if note.startswith(f"epoch {epochs + 1}/"):
            raise StopHereError

    with pytest.raises(StopHereError):
        train(run, prepared.path, prepared.split, out, report=report)


def test_a_state_of_another_recipe_is_set_aside(
    prepared: Prepared, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted_after(1, run, prepared, tmp_path)
    other = dataclasses.replace(run, recipe=run.recipe.model_copy(update={"lr": 0.01}))
    train(other, prepared.path, prepared.split, tmp_path)
    assert "of another run; starting anew" in capsys.readouterr().out
    assert json.loads((tmp_path / "run.json").read_text())["resumed"] == 0


def test_a_damaged_state_is_refused_by_name(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    interrupted_after(1, run, prepared, tmp_path)
    state = tmp_path / "resume.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"resume\.safetensors: not a whole checkpoint"):
        train(run, prepared.path, prepared.split, tmp_path)


def test_a_diverging_loss_stops_the_run(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    recipe = run.recipe.model_copy(update={"lr": 1e30, "warmup": 0.0})
    with pytest.raises(UserError, match=r"the loss became (nan|inf) in epoch 1"):
        train(dataclasses.replace(run, recipe=recipe), prepared.path, prepared.split, tmp_path)
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_an_absent_device_is_named(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    if torch.backends.mps.is_available():
        pytest.skip("this machine has the device that should be absent")
    with pytest.raises(UserError, match=r"mps is not to be had on this machine, only .*cpu"):
        train(run, prepared.path, prepared.split, tmp_path, device="mps")


def test_a_split_of_another_index_is_refused(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    split = pd.read_parquet(prepared.split)
    split.iloc[::-1].reset_index(drop=True).to_parquet(prepared.split)
    with pytest.raises(UserError, match="its rows are not those of"):
        train(run, prepared.path, prepared.split, tmp_path)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_learns_too(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    train(run, prepared.path, prepared.split, tmp_path, device="cuda")
    assert json.loads((tmp_path / "run.json").read_text())["precision"] == "bf16"
    assert pd.read_csv(tmp_path / "training.csv")["public_accuracy"].max() > 0.6


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_deterministic_gpu_gives_the_same_bits_twice(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        train(run, prepared.path, prepared.split, tmp_path / name, device="cuda", deterministic=True)
    one, two = (checkpoint.load(tmp_path / name / "checkpoint.safetensors")[0]["network"] for name in ("one", "two"))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert json.loads((tmp_path / "one/run.json").read_text())["deterministic"] is True


def test_deterministic_holds_for_the_training_alone_and_names_what_cannot_be() -> None:
    gpu = torch.device("cuda")  # only its name is looked at
    with same_bits(torch.device("cpu"), wanted=True):
        assert not torch.are_deterministic_algorithms_enabled(), "a CPU needs no such thing"
    with same_bits(gpu, wanted=False):
        assert not torch.are_deterministic_algorithms_enabled()
    with same_bits(gpu, wanted=True):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    told = "deterministic: put_ gives other bits each time on cuda; train on the CPU"
    with pytest.raises(UserError, match=told), same_bits(gpu, wanted=True):
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2))
    with pytest.raises(RuntimeError, match="something else"), same_bits(gpu, wanted=True):
        raise RuntimeError("something else")
    assert not torch.are_deterministic_algorithms_enabled()


def test_pixels_become_centred_numbers() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 20, 20)
    values = standardise(images, 3, 20)
    assert values.shape == (2, 3, 20, 20)
    assert (values[0].unique().item(), values[1].unique().item()) == (-2, 2)
    white = standardise(torch.full((1, 3, 20, 20), 255, dtype=torch.uint8), 1, 10)
    assert white.shape == (1, 1, 10, 10)
    torch.testing.assert_close(white, torch.full_like(white, 2.0), rtol=0, atol=1e-4)
    grey = standardise(images, 3, 20, imagenet=True)[1, :, 0, 0]
    torch.testing.assert_close(grey, torch.tensor([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]))


RECIPE = Recipe(epochs=1, batch_size=8, image_size=48, optimizer="sgd", lr=0.1, schedule="cosine", warmup=0.25)


def test_the_rate_rises_to_its_peak_and_falls_to_nearly_nothing() -> None:
    rates = [learning_rate(RECIPE, step, 100) for step in range(100)]
    assert max(rates) == rates[25] == pytest.approx(0.1)
    assert rates[:25] == sorted(rates[:25])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert rates[-1] < 0.001
    constant = RECIPE.model_copy(update={"schedule": "constant", "warmup": 0.0})
    assert {learning_rate(constant, step, 100) for step in range(100)} == {0.1}


def test_warm_up_and_cosine_are_those_of_pytorch() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    # A quarter of 100 steps rises: the first learns already, and the peak is step 25.
    rising = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / 26, total_iters=25)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=75)
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [rising, falling], milestones=[25])
    for step in range(100):
        assert learning_rate(RECIPE, step, 100) == pytest.approx(schedule.get_last_lr()[0], rel=1e-6), step
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "amsgrad"])
def test_an_optimizers_state_survives_packing(optimizer: str) -> None:
    recipe = RECIPE.model_copy(update=named(optimizer))
    torch.manual_seed(0)
    nets = [torch.nn.Linear(3, 2) for _ in range(2)]
    first, second = (build_optimizer(net.parameters(), recipe) for net in nets)
    inputs = torch.randn(5, 3)

    def step(net: torch.nn.Module, optimizer: Optimizer) -> None:
        optimizer.zero_grad()
        net(inputs).square().sum().backward()
        optimizer.step(0.1)

    step(nets[0], first)
    nets[1].load_state_dict(nets[0].state_dict())
    second.load_state_dict(first.state_dict())
    inputs /= 10  # a smaller gradient: only AMSGrad still divides by the larger one
    step(nets[0], first)
    step(nets[1], second)
    assert torch.equal(nets[0].weight, nets[1].weight)
    assert any(key.endswith(".max_exp_avg_sq") for key in second.state_dict()) is (optimizer == "amsgrad")


def named(optimizer: str) -> dict[str, Any]:
    return {"optimizer": "adam", "amsgrad": True} if optimizer == "amsgrad" else {"optimizer": optimizer}


@pytest.mark.parametrize("momentum", [0.9, 0.0])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "amsgrad", "amsgrad-w"])
def test_a_step_is_that_of_pytorchs_own_optimizer_to_the_bit(optimizer: str, momentum: float) -> None:
    changes = {**named(optimizer), "momentum": momentum, "weight_decay": 0.1, "lr": 0.01}
    if optimizer == "amsgrad-w":
        changes |= {"optimizer": "adamw", "amsgrad": True}
    recipe = RECIPE.model_copy(update=changes)
    torch.manual_seed(0)
    mine = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Conv2d(8, 4, 3))
    mine[2].bias.requires_grad_(False)
    theirs = copy.deepcopy(mine)
    own = build_optimizer(mine.parameters(), recipe)
    trained = [parameter for parameter in theirs.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [{"params": [p for p in trained if p.ndim > 1]},
              {"params": [p for p in trained if p.ndim == 1], "weight_decay": 0.0}]  # fmt: skip
    how: dict[str, Any] = {"lr": 0.01, "weight_decay": 0.1}
    reference: torch.optim.Optimizer = {
        "sgd": lambda: torch.optim.SGD(groups, momentum=momentum, nesterov=momentum > 0, **how),
        "adam": lambda: torch.optim.Adam(groups, **how),
        "adamw": lambda: torch.optim.AdamW(groups, **how),
        "amsgrad": lambda: torch.optim.Adam(groups, amsgrad=True, **how),
        "amsgrad-w": lambda: torch.optim.AdamW(groups, amsgrad=True, **how),
    }[optimizer]()
    for number in range(4):
        images = torch.randn(2, 3, 9, 9) / (1 + number)  # smaller gradients: there the largest moment differs
        rate = 0.01 * (1 + number)
        for group in reference.param_groups:
            group["lr"] = rate
        for net, steps in ((mine, own), (theirs, reference)):
            steps.zero_grad()
            net(images).square().mean().backward()
        own.step(rate)
        reference.step()
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in mine.state_dict().items())


def test_training_does_not_import_pytorchs_compiler() -> None:
    code = (
        "import sys, torch; from refer.spec import Recipe; from refer.training import optimisation, train\n"
        "for name in ('sgd', 'adam', 'adamw'):\n"
        "    net = torch.nn.Linear(3, 2)\n"
        "    how = Recipe(epochs=1, batch_size=2, image_size=16, optimizer=name, lr=0.1)\n"
        "    optimizer = optimisation.build_optimizer(net.parameters(), how)\n"
        "    net(torch.ones(1, 3)).sum().backward(); optimizer.step(0.1)\n"
        "print([name for name in ('torch._dynamo', 'torchvision') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", "1.2 s of every run's start"


@pytest.mark.parametrize(("decayed", "bias"), [("weights", 0.0), ("all", 0.5)])
def test_biases_and_norms_decay_only_where_all_does(decayed: str, bias: float) -> None:
    recipe = RECIPE.model_copy(update={"weight_decay": 0.5, "decayed": decayed})
    optimizer = build_optimizer(torch.nn.Linear(3, 2).parameters(), recipe)
    decays = {parameter.ndim: group["weight_decay"] for group in optimizer.groups for parameter in group["params"]}
    assert decays == {2: 0.5, 1: bias}
