"""What holds for every network that a paper can name: shapes, seeds, precision, gradients, batches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from refer.networks import catalog
from refer.networks.interface import Network, logits_of

PAIR = {"first": "compact", "second": "compact", "channels": 1}
SMALL: dict[str, dict[str, object]] = {
    "region_attention_net": {"backbone": "compact", "channels": 1},
    "cnn": {"backbone": "compact", "channels": 1},
    "gated_net": {"backbone": "compact", "modality": "infrared"},
    "interleaved_fusion": {"backbone": "compact"},
    "late_fusion": PAIR,
    "early_fusion": PAIR,
    "joint_fusion": PAIR,
    "fusion_attention": {**PAIR, "tokens": "channels", "mlp_hidden": 16},
    "ferattention": {"encoder": "compact", "filters": 2, "backbone": "compact", "dim": 8},
}
"""Every network, small enough for a test."""


def build(name: str, classes: int = 5, seed: int = 0, **options: object) -> Network:
    torch.manual_seed(seed)
    network = catalog.build({"name": name, **SMALL[name], **options}, classes)
    assert isinstance(network, Network)
    return network


def pictures(network: Network, batch: int = 2, side: int = 48, seed: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(batch, network.channels, side, side, generator=generator) for _ in network.modalities]


def test_none_is_forgotten() -> None:
    assert set(SMALL) == set(catalog.networks())


@pytest.mark.parametrize("name", SMALL)
def test_the_catalogue_and_the_network_agree_on_modalities(name: str) -> None:
    assert build(name).modalities == catalog.modalities({"name": name, **SMALL[name]})


@pytest.mark.parametrize("name", SMALL)
def test_weights_is_an_option_of_all(name: str) -> None:
    # Inference rebuilds a network without its initial weights, whatever network it is.
    assert "weights" in catalog.networks()[name].options.model_fields


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("classes", "side", "batch"), [(7, 48, 1), (8, 64, 2), (2, 40, 3), (3, 33, 1)])
def test_logits_for_any_number_of_classes_any_side_and_a_batch_of_one(
    name: str, classes: int, side: int, batch: int
) -> None:
    network = build(name, classes).eval()
    logits = network(*pictures(network, batch, side))
    assert logits.shape == (batch, classes)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", SMALL)
def test_features_are_what_the_classifier_sees(name: str) -> None:
    network = build(name).eval()
    features = network.features(*pictures(network))
    assert features.ndim == 2
    assert len(features) == 2


@pytest.mark.parametrize("name", SMALL)
def test_a_seed_decides_all_weights(name: str) -> None:
    states = [build(name, seed=seed).state_dict() for seed in (0, 0, 1)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert any(not torch.equal(states[0][key], states[2][key]) for key in states[0])


@pytest.mark.parametrize("name", SMALL)
def test_an_image_is_judged_alone(name: str) -> None:
    network = build(name).eval()
    assert not network.reads_batch
    together = pictures(network, 3)
    alone = [each[:1] for each in together]
    torch.testing.assert_close(network(*together)[:1], network(*alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_channels_last_and_bfloat16_change_little(name: str) -> None:
    network = build(name).eval()
    images = pictures(network)
    plain = network(*images)
    network = network.to(memory_format=torch.channels_last)
    last = [each.contiguous(memory_format=torch.channels_last) for each in images]
    torch.testing.assert_close(plain, network(*last), rtol=1e-3, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        half = network(*last).float()
    torch.testing.assert_close(plain, half, rtol=0.1, atol=0.15)


@pytest.mark.parametrize("name", [name for name in SMALL if name != "late_fusion"])
def test_gradients_reach_what_should_train_and_only_that(name: str) -> None:
    network = build(name).train()
    before = {key: value.clone() for key, value in network.named_buffers()}
    logits_of(network(*pictures(network, 4))).logsumexp(1).sum().backward()
    frozen = {"early_fusion", "fusion_attention"}
    for key, parameter in network.named_parameters():
        if name in frozen and key.startswith(("first.", "second.")):
            assert not parameter.requires_grad
            assert parameter.grad is None
        else:
            assert parameter.grad is not None, key
    for key, child in network.named_children():
        reached = [parameter.grad for parameter in child.parameters() if parameter.requires_grad]
        assert not reached or any(grad.abs().sum() > 0 for grad in reached), key
    # Frozen extractors do not even gather statistics.
    moved = [key for key, value in network.named_buffers() if not torch.equal(value, before[key])]
    assert any(key.startswith("first.") for key in moved) == (name == "joint_fusion")


@pytest.mark.parametrize("name", SMALL)
def test_a_step_makes_the_loss_smaller(name: str) -> None:
    network = build(name)
    assert network.learns == (name != "late_fusion")
    if not network.learns:
        return
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    images, labels = pictures(network, 8), torch.arange(8) % 5
    losses = []
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1e-3)
    for _ in range(2):
        loss = torch.nn.functional.cross_entropy(logits_of(network(*images)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]


@pytest.mark.parametrize("name", SMALL)
def test_a_state_dict_goes_in_and_out(name: str) -> None:
    one, other = build(name, seed=0), build(name, seed=1)
    other.load_state_dict(one.state_dict())
    images = pictures(one)
    assert torch.equal(one.eval()(*images), other.eval()(*images))
