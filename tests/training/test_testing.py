"""Test-time augmentation and averaged weights: what is seen, what is averaged, what is kept and resumed."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torchvision.transforms import v2

from conftest import Prepared
from refer import yaml
from refer.errors import UserError
from refer.evaluation.inference import infer
from refer.plan import Run, load_plan
from refer.recipe import Augmentation, Recipe
from refer.training import checkpoint
from refer.training.testing import View, averaged, views_of
from refer.training.train import follow, train

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
    # The keys of the released results' runs, and no others.
    assert set(plain) == {
        "epochs", "batch_size", "image_size", "optimizer", "lr", "momentum", "weight_decay", "schedule", "period",
        "warmup", "label_smoothing", "loss", "structure", "mixed_labels", "compose", "compose_train", "compose_test",
        "draws", "augmentation", "precision",
    }  # fmt: skip
    assert set(plain["augmentation"]) == {"flip", "rotation", "scale", "shift", "erase", "desaturate", "copies"}
    used = with_(run, ema=0.9, augmentation={"mixup": 0.2})
    assert Run.from_dict(used.as_dict()) == used
    assert used.as_dict()["recipe"]["ema"] == 0.9
    assert used.as_dict()["recipe"]["augmentation"]["mixup"] == 0.2
    assert Recipe.from_dict(plain, "a recipe") == run.recipe


def test_the_average_is_its_formula_and_lets_go_of_the_first_weights() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), torch.nn.BatchNorm1d(1))
    torch.nn.init.constant_(network[0].weight, 5.0)
    average, expected = copy.deepcopy(network), 5.0
    for step in range(12):
        torch.nn.init.constant_(network[0].weight, step**2)
        network[1].running_mean.fill_(-step)  # type: ignore[union-attr, operator]
        network[1].num_batches_tracked.fill_(step)  # type: ignore[union-attr, operator]
        follow(average, network, 0.6, step)
        decay = min(0.6, (1 + step) / (10 + step))  # after the first step a tenth is left of the first weights
        expected = decay * expected + (1 - decay) * step**2
        assert average[0].weight.item() == pytest.approx(expected)
    assert average[1].running_mean.item() < -8  # type: ignore[operator]
    assert average[1].num_batches_tracked.item() == 11, "counts are no averages"  # type: ignore[operator]


def test_the_average_is_that_of_pytorch() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    theirs = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.6), use_buffers=True
    )
    theirs.update_parameters(network)  # which takes the first weights as they are
    mine = copy.deepcopy(network)
    for step in range(20, 25):
        network(torch.randn(8, 3))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        follow(mine, network, 0.6, step)  # not a half, which would hide what is taken for what
        theirs.update_parameters(network)
    for name, value in mine.state_dict().items():
        if value.is_floating_point():  # theirs counts batches on average, too
            torch.testing.assert_close(value, theirs.module.state_dict()[name])


def test_averaged_weights_are_validated_and_kept(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    run = with_(run, ema=0.95, augmentation={"rotation": 10.0, "mixup": 0.4, "flip": True}, epochs=3)
    train(run, prepared.path, prepared.split, tmp_path, keep_state=True)
    saved = checkpoint.load(tmp_path / "resume.safetensors")[0]
    kept = checkpoint.load(tmp_path / "checkpoint.safetensors")[0]["network"]
    assert kept.keys() == saved["average"].keys()
    assert not torch.equal(kept["head.1.weight"], saved["network"]["head.1.weight"])
    # The curve was measured with the weights that are kept.
    infer(tmp_path / "checkpoint.safetensors", prepared.path, prepared.split, tmp_path / "p.parquet")
    table = pd.read_parquet(tmp_path / "p.parquet")
    public = table[table["part"] == "public"]
    right = (public.filter(like="p_").to_numpy().argmax(1) == public["label"]).mean()
    assert right == pytest.approx(pd.read_csv(tmp_path / "training.csv")["public_accuracy"].max())


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
