"""Test-time augmentation and averaged weights: what is seen, what is averaged, what is kept and resumed."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torchvision.transforms import v2

from conftest import Prepared
from refer import files, yaml
from refer.errors import UserError
from refer.evaluation.inference import infer
from refer.plan import Run, load_plan
from refer.recipe import LATER, LATER_CHANGES, Augmentation, Recipe
from refer.training import checkpoint
from refer.training.averaging import Average
from refer.training.leftovers import RESUME
from refer.training.loop import train
from refer.training.stopping import StoppedError
from refer.training.views import View, averaged, views_of

BASE: dict[str, Any] = {"epochs": 1, "batch_size": 8, "image_size": 44, "optimizer": "sgd", "lr": 0.1}


@pytest.fixture
def run(root: Path) -> Run:
    found = load_plan(yaml.read(root / "config.yaml"), base=root).run("khalid2025", "fer2013", "audited", "full", 0)
    return dataclasses.replace(found, recipe=found.recipe.model_copy(update={"epochs": 2, "batch_size": 16}))


def with_(run: Run, **changes: Any) -> Run:
    return dataclasses.replace(run, recipe=Recipe.from_dict({**run.recipe.as_dict(), **changes}, "a recipe"))


def test_ten_crops_are_those_of_torchvision() -> None:
    images = torch.randint(0, 256, (2, 1, 48, 48), dtype=torch.uint8)
    views = views_of(Recipe(**BASE, views="ten-crop"))
    mine = [view(images) for view in views]
    theirs = v2.TenCrop(44)(images)
    assert len(mine) == len(theirs) == 10
    for one in mine:  # in another order: a window's mirror image is not the mirror image's window of that name
        assert sum(torch.equal(one, other) for other in theirs) == 1
    for other in theirs:
        assert sum(torch.equal(one, other) for one in mine) == 1, "none is missing, none there twice"
    assert {view.share for view in views} == {11 / 12}
    assert views_of(Recipe(**BASE, views="ten-crop", window=0.75))[0](images).shape == (2, 1, 36, 36)


def test_a_network_that_learnt_from_windows_sees_the_middle_one_and_its_mirror_image() -> None:
    how = Augmentation(crop=0.75)
    images = torch.arange(64.0).view(1, 1, 8, 8)
    (one,) = views_of(Recipe(**BASE, augmentation=how))
    assert torch.equal(one(images), images[..., 1:7, 1:7])
    flips = views_of(Recipe(**BASE, augmentation=how, views="flip"))
    assert torch.equal(flips[1](images), one(images).flip(-1))
    assert views_of(Recipe(**BASE)) == [View()]
    assert View()(images).data_ptr() == images.data_ptr(), "nothing is copied where all is seen"


def test_probabilities_are_averaged_and_a_single_view_is_left_alone() -> None:
    logits = [3 * torch.randn(5, 7) for _ in range(3)]
    assert averaged(logits[:1]) is logits[0]
    mean = torch.stack([each.softmax(1) for each in logits]).mean(0)
    torch.testing.assert_close(averaged(logits).softmax(1), mean)
    torch.testing.assert_close(averaged(logits).exp(), mean, msg="logarithms of probabilities, fit for a loss")


def test_one_trained_network_is_scored_under_several_views(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    trained = tmp_path / "full"
    train(run, prepared.path, prepared.split, trained)
    infer(trained / "checkpoint.safetensors", prepared.path, prepared.split, trained / "p.parquet")
    tables = {"none": pd.read_parquet(trained / "p.parquet")}
    for views in ("flip", "ten-crop"):
        out = tmp_path / views
        tested = dataclasses.replace(with_(run, views=views), method=views, tests="full")
        parents = {"network": trained / "checkpoint.safetensors"}
        train(tested, prepared.path, prepared.split, out, parents=parents)
        infer(out / "checkpoint.safetensors", prepared.path, prepared.split, out / "p.parquet")
        tables[views] = pd.read_parquet(out / "p.parquet")
        about = json.loads((out / "run.json").read_text())
        assert (about["recipe"]["views"], about["epochs"]) == (views, 0)
        public = tables[views][tables[views]["part"] == "public"]
        right = (public.filter(like="p_").to_numpy().argmax(1) == public["label"]).mean()
        assert pd.read_csv(out / "training.csv")["public_accuracy"].tolist() == [pytest.approx(right)]
    scores = {views: table.filter(like="p_").to_numpy() for views, table in tables.items()}
    assert not np.allclose(scores["none"], scores["flip"])
    assert not np.allclose(scores["flip"], scores["ten-crop"])
    # Images and their mirror images are told alike.
    np.save(prepared.path / "images.npy", np.load(prepared.path / "images.npy")[:, :, ::-1])
    infer(tmp_path / "flip/checkpoint.safetensors", prepared.path, prepared.split, tmp_path / "q.parquet")
    again = pd.read_parquet(tmp_path / "q.parquet").filter(like="p_").to_numpy()
    np.testing.assert_allclose(again, scores["flip"], atol=1e-3)  # averaged down to 32 pixels, in whole numbers


def test_keys_that_came_later_are_not_in_a_recipe_that_does_not_use_them(run: Run) -> None:
    plain = run.as_dict()["recipe"]
    assert not (set(LATER) & set(plain)) | (set(LATER_CHANGES) & set(plain["augmentation"]))
    used = with_(run, ema=0.9, augmentation={"mixup": 0.2})
    assert Run.from_dict(used.as_dict()) == used
    assert used.as_dict()["recipe"]["ema"] == 0.9
    assert used.as_dict()["recipe"]["augmentation"]["mixup"] == 0.2
    assert Recipe.from_dict(plain, "a recipe") == run.recipe


def test_the_average_is_that_of_pytorch() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    mine = Average(network)
    theirs = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.6), use_buffers=True
    )
    theirs.update_parameters(network)  # which takes the first weights as they are
    for step in range(20, 25):
        network(torch.randn(8, 3))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        mine.follow(0.6, step)  # not a half, which would hide what is taken for what
        theirs.update_parameters(network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with mine.in_place():
        for name, value in network.state_dict().items():
            if value.is_floating_point():  # theirs counts batches on average, too
                torch.testing.assert_close(value, theirs.module.state_dict()[name])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_first_steps_let_go_of_the_initial_weights() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, 0.0)
    mine = Average(network)
    for step, expected in ((0, 0.9), (1, 0.9 * 2 / 11 + 9 / 11)):  # d = (1 + step) / (10 + step), below 0.999
        torch.nn.init.constant_(network.weight, 1.0)
        mine.follow(0.999, step)
        assert mine.values["weight"].item() == pytest.approx(expected)


def test_averaged_weights_are_kept_and_go_on_with_the_same_bits(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    change = {"rotation": 10.0, "perspective": 0.2, "mixup": 0.4, "brightness": 0.2, "erase": 0.3, "flip": True}
    run = with_(run, ema=0.95, augmentation=change, epochs=3)
    train(run, prepared.path, prepared.split, tmp_path / "whole")
    steps = 0

    def report(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == 11:  # within the second epoch
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError):
        train(run, prepared.path, prepared.split, tmp_path / "ended", report=report)
    groups, _ = checkpoint.load(tmp_path / "ended" / RESUME)
    assert groups["average"].keys() == groups["network"].keys()
    assert not torch.equal(*(groups[name]["head.1.weight"] for name in ("average", "network")))
    train(run, prepared.path, prepared.split, tmp_path / "ended")
    hashes = {files.sha256(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "ended")}
    assert len(hashes) == 1
    # The curve was measured with the weights that are kept.
    infer(tmp_path / "whole/checkpoint.safetensors", prepared.path, prepared.split, tmp_path / "p.parquet")
    table = pd.read_parquet(tmp_path / "p.parquet")
    public = table[table["part"] == "public"]
    right = (public.filter(like="p_").to_numpy().argmax(1) == public["label"]).mean()
    assert right == pytest.approx(pd.read_csv(tmp_path / "whole/training.csv")["public_accuracy"].max())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"augmentation": {"copies": "fixed", "shear": 3.0}}, "copies are instead of all other changes"),
        ({"compose": {"size": 32}, "augmentation": {"mixup": 0.2}}, "composed faces are changed by"),
        ({"compose": {"size": 32}, "augmentation": {"flip": True}}, "composed faces are changed by"),
        ({"structure": True, "augmentation": {"mixup": 0.2}}, "the structure loss mixes representations itself"),
    ],
)
def test_what_contradicts_itself_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Recipe.model_validate({**BASE, **change})


def test_predictions_of_a_run_that_is_marked_as_failed_are_refused(tmp_path: Path) -> None:
    (tmp_path / "failed.json").write_text("{}")
    with pytest.raises(UserError, match=r"its training failed, as failed\.json says"):
        infer(tmp_path / "checkpoint.safetensors", tmp_path, tmp_path, tmp_path / "p.parquet")
