"""khalid2025: the map under its grid, the order of the attentions, staged fine-tuning, weights of a local file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from refer import files
from refer.errors import UserError
from refer.networks import catalog
from refer.networks.backbones import build_backbone
from refer.networks.region_attention_net import RegionAttentionNet
from refer.networks.registry import backbones
from refer.papers import load_paper
from refer.plan import load_plan
from refer.recipe import Recipe
from refer.training import checkpoint, task
from refer.training.data import Reader, load_index, load_part
from refer.training.loader import Loader
from refer.training.optimisation import build_optimizer
from refer.training.train import Training, backbone_of
from task_fixtures import CPU, Paired, cell, recipe, trained

REGIONS = {"name": "region_attention_net", "backbone": "compact-16", "weights": "none", "channels": 3}
READER = Reader(torch.nn.Identity(), "none", 32)
NEW = {
    "size": ("48", "224"),
    "grid": ("2", "6"),
    "order": ("region-first",),
    "freezing": ("staged", "always"),
    "head_rate": ("tenfold",),
    "batch": ("32", "128"),
    "schedule": ("constant",),
    "weight_decay": ("0", "0.0005"),
    "dropout": ("0", "0.5"),
}


@pytest.fixture
def paired(tmp_path: Path) -> Paired:
    return Paired(tmp_path)


def network(**options: Any) -> RegionAttentionNet:
    torch.manual_seed(0)
    built = catalog.build(REGIONS | options, 7)
    assert isinstance(built, RegionAttentionNet)
    return built


@pytest.mark.parametrize("name", list(backbones()))
def test_the_map_is_as_large_as_it_is_said_to_be_before_anything_is_built(name: str) -> None:
    with torch.device("meta"):
        stages = build_backbone(name, 3, "none").eval()
        for size in (24, 32, 33, 40, 47, 48, 64, 65, 96, 97, 128):
            assert stages(torch.empty(1, 3, size, size)).shape[-2:] == (backbones()[name].side(size),) * 2, size


def test_a_grid_that_is_larger_than_the_map_is_refused_when_it_is_planned(root: Path) -> None:
    path = root / "papers/khalid2025.yaml"
    with pytest.raises(
        UserError,
        match=r"methods\.full: network\.grid: found 3, but at 48 pixels the last map of resnet18 is 2x2; take a grid "
        r"of 2 or less, a backbone with a larger map, or images of 65 pixels or more\.",
    ):
        load_paper(path, None, {"recipe.image_size": 48})
    for override in (
        {"recipe.image_size": 65},
        {"recipe.image_size": 48, "network.grid": 2},
        {"recipe.image_size": 48, "network.backbone": "vgg13"},
    ):
        load_paper(path, None, override)
    with pytest.raises(UserError, match="at 64 pixels the last map of resnet18 is 2x2"):
        load_paper(path, None, {"methods.self.recipe.image_size": 64})


def test_a_network_refuses_images_whose_map_is_smaller_than_its_grid() -> None:
    with pytest.raises(UserError, match="found 5, but at 32 pixels the last map of this backbone is 4x4; take a grid"):
        network(grid=5)(torch.zeros(1, 3, 32, 32))


def test_as_filed_each_region_has_a_place_of_its_own(root: Path) -> None:
    paper = load_paper(root / "papers/khalid2025.yaml")
    with torch.device("meta"):
        stages = build_backbone("resnet18", 3, "none").eval()
        size = paper.recipe.image_size
        assert stages(torch.empty(1, 3, size, size)).shape == (1, 512, 3, 3)
    assert (paper.network["backbone"], paper.network["grid"]) == ("resnet18", 3)


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
def test_regions_are_weighed_before_they_look_at_one_another(gate: str) -> None:
    net = network(gate=gate, order="region-first", heads=2).eval().double()
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    t = net.tokens(images).detach().numpy()
    assert net.region is not None
    assert net.mixing is not None
    hidden, _, score = (layer for layer in net.region.score)
    e = np.tanh(t @ hidden.weight.detach().numpy().T + hidden.bias.detach().numpy())
    e = e @ score.weight.detach().numpy()[0] + score.bias.item()
    a = 9 * np.exp(e) / np.exp(e).sum(1, keepdims=True) if gate == "softmax" else 1 / (1 + np.exp(-e))
    x = a[..., None] * t + net.mixing.position.detach().numpy()
    w, b = net.mixing.attend.in_proj_weight.detach().numpy(), net.mixing.attend.in_proj_bias.detach().numpy()
    q, k, v = (x @ part.T + bias for part, bias in zip(np.split(w, 3), np.split(b, 3), strict=True))
    heads = []
    for head in np.split(np.arange(64), 2):
        scores = np.exp(q[..., head] @ k[..., head].transpose(0, 2, 1) / np.sqrt(32))
        heads.append(scores / scores.sum(-1, keepdims=True) @ v[..., head])
    y = np.concatenate(heads, -1) @ net.mixing.attend.out_proj.weight.detach().numpy().T
    y = a[..., None] * t + y + net.mixing.attend.out_proj.bias.detach().numpy()
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(net.features(images).detach().numpy(), y.mean(1), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
@pytest.mark.parametrize("off", ["region_attention", "self_attention"])
def test_with_one_attention_there_is_no_order(off: str, gate: str) -> None:
    images = torch.randn(2, 3, 32, 32)
    one, other = (network(gate=gate, order=order, **{off: False}).eval() for order in ("self-first", "region-first"))
    torch.testing.assert_close(one(images), other(images))


def test_the_head_has_a_rate_of_its_own_as_with_pytorchs_groups() -> None:
    how = Recipe(epochs=1, batch_size=2, image_size=32, optimizer="sgd", lr=0.02, head_rate=10, weight_decay=0.01,
                 decayed="all")  # fmt: skip
    mine, theirs = network(), network()
    own = build_optimizer(mine.parameters(), how, backbone_of(mine))
    head = [value for name, value in theirs.named_parameters() if not name.startswith("backbone.")]
    groups = [{"params": list(theirs.backbone.parameters())}, {"params": head, "lr": 0.2}]
    reference = torch.optim.SGD(groups, lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.01)
    for step in range(3):
        torch.manual_seed(step)
        images = torch.randn(2, 3, 32, 32)
        for net, optimizer in ((mine, own), (theirs, reference)):
            torch.manual_seed(step)
            optimizer.zero_grad()
            net(images).logsumexp(1).sum().backward()
        own.step(0.02)
        reference.step()
    for value, expected in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(value, expected)
    plain = build_optimizer(mine.parameters(), how.model_copy(update={"head_rate": 1.0}))
    assert len(plain.groups) == 1
    with pytest.raises(UserError, match=r"recipe\.head_rate: the network has no backbone that trains"):
        build_optimizer(torch.nn.Linear(2, 2).parameters(), how)


def test_only_a_network_with_a_backbone_can_be_frozen(paired: Paired, tmp_path: Path) -> None:
    run = cell("visible", {"name": "linear"}, recipe(freeze_epochs=1))
    index, _ = load_index(paired.path, paired.split)
    train = Loader(load_part(paired.path, index, "train", CPU, kept_only=True), READER, run.recipe)
    with pytest.raises(UserError, match=r"recipe\.freeze_epochs: the network has no backbone that trains"):
        Training(run, task.Task(torch.nn.Linear(2, 2), READER, train, train, "val"), 3, CPU)


def weights_after(
    paired: Paired, folder: Path, **changes: Any
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A network's tensors before and after a training whose last epoch is kept."""
    run = cell("full", REGIONS, recipe(**changes))
    run = type(run)(**{**run.__dict__, "select": "last"})
    index, _ = load_index(paired.path, paired.split)
    before = task.build_task(run, paired.path, index, 3, CPU, {}, None).network.state_dict()
    trained(paired, run, folder)
    return before, checkpoint.load(folder / "checkpoint.safetensors")[0]["network"]


@pytest.mark.parametrize(("epochs", "frozen"), [(2, 2), (2, 1), (2, 0)])
def test_the_backbone_stays_as_it_is_while_it_is_frozen(
    paired: Paired, tmp_path: Path, epochs: int, frozen: int
) -> None:
    before, after = weights_after(paired, tmp_path / "out", epochs=epochs, freeze_epochs=frozen)
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    inside = {name for name in before if name.startswith("backbone.")}
    assert moved & inside == (set() if frozen == epochs else inside), "weights and statistics"
    assert moved - inside == set(before) - inside


def test_recipes_that_use_no_new_key_are_what_they_were() -> None:
    plain = recipe().as_dict()
    assert not {"last_batch", "freeze_epochs", "head_rate", "pairing"} & plain.keys()
    told = recipe(last_batch="trained", freeze_epochs=2, head_rate=3.0, pairing="order").as_dict()
    assert (told["last_batch"], told["freeze_epochs"], told["head_rate"], told["pairing"]) == (
        "trained",
        2,
        3.0,
        "order",
    )
    assert Recipe(**told).as_dict() == told


def test_a_frozen_backbone_of_a_local_file_is_still_that_of_the_file(paired: Paired, tmp_path: Path) -> None:
    import torchvision
    from safetensors.torch import save_file

    torch.manual_seed(3)
    donor = torchvision.models.resnet18(weights=None).state_dict()
    save_file(donor, tmp_path / "donor.safetensors")
    section = {**REGIONS, "backbone": "resnet18", "weights": str(tmp_path / "donor.safetensors"), "grid": 1}
    about = trained(paired, cell("full", section, recipe(epochs=1, freeze_epochs=1)), tmp_path / "out")
    assert about["initial_weights"] == f"donor.safetensors (sha256 {files.sha256(tmp_path / 'donor.safetensors')})"
    assert about["network"]["weights"] == "donor.safetensors", "no path of this machine"
    after = checkpoint.load(tmp_path / "out/checkpoint.safetensors")[0]["network"]
    assert torch.equal(after["backbone.0.weight"], donor["conv1.weight"])
    assert torch.equal(after["backbone.7.1.bn2.running_var"], donor["layer4.1.bn2.running_var"])


@pytest.mark.parametrize(("ambiguity", "option"), [(name, one) for name, those in NEW.items() for one in those])
def test_each_new_option_is_planned_and_trains(
    paired: Paired, tmp_path: Path, root: Path, ambiguity: str, option: str
) -> None:
    config = {"preset": "t", "title": "t", "reproduce": {"khalid2025": {}}, "standin": {"fer2013": {"subjects": 9}}}
    as_filed = load_plan(config, base=root).run("khalid2025", "fer2013", "published", "full", 0)
    config["ambiguity"] = {"khalid2025": {ambiguity: option}}
    run = load_plan(config, base=root).run("khalid2025", "fer2013", "published", "full", 0)
    assert run.as_dict() != as_filed.as_dict()
    small = run.recipe.model_copy(update={"epochs": 1, "image_size": 48})
    section = {**run.network, "backbone": "compact-16", "weights": "none"}
    parts = {"network": section, "recipe": small, "evaluated": ("val", "test"), "select": "test"}
    about = trained(paired, type(run)(**{**run.__dict__, **parts}), tmp_path / "out")
    assert about["epochs"] == 1
    assert np.isfinite(pd.read_csv(tmp_path / "out/training.csv")["train_loss"]).all()
