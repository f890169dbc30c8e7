"""naseem2025: the gate, the three heads, the interleaved fusion and what it starts from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from refer.errors import UserError
from refer.networks import catalog
from refer.networks.feature_gate import FeatureGate, GatedNet
from refer.networks.interleaved_fusion import InterleavedFusion, interleave
from refer.papers import load_paper


def single(modality: str = "visible", classes: int = 5, seed: int = 0, **options: object) -> GatedNet:
    torch.manual_seed(seed)
    section = {"name": "gated_net", "backbone": "compact", "modality": modality, **options}
    network = catalog.build(section, classes)
    assert isinstance(network, GatedNet)
    return network


def fused(classes: int = 5, seed: int = 0, **options: object) -> InterleavedFusion:
    torch.manual_seed(seed)
    network = catalog.build({"name": "interleaved_fusion", "backbone": "compact", **options}, classes)
    assert isinstance(network, InterleavedFusion)
    return network


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def described(head: nn.Sequential) -> list[str]:
    shown = []
    for layer in head:
        if isinstance(layer, nn.Linear):
            shown.append(f"linear {layer.in_features} {layer.out_features}")
        elif isinstance(layer, nn.Dropout):
            shown.append(f"dropout {layer.p:g}")
        else:
            shown.append(type(layer).__name__.lower())
    return shown


def gated(x: NDArray[np.float64], linear: nn.Linear, squared: bool) -> NDArray[np.float64]:
    """x sigmoid(W x + b), or x sigmoid(W (x * x) + b), number by number."""
    w, b = linear.weight.detach().double().numpy(), linear.bias.detach().double().numpy()
    result = np.zeros_like(x)
    for n, row in enumerate(x):
        for i in range(len(row)):
            score = b[i] + sum(w[i, j] * (row[j] ** 2 if squared else row[j]) for j in range(len(row)))
            result[n, i] = row[i] / (1 + np.exp(-score))
    return result


@pytest.mark.parametrize(("of", "squared"), [("features", False), ("squares", True)])
def test_the_gate_is_its_formula(of: str, squared: bool) -> None:
    torch.manual_seed(0)
    block = FeatureGate(6, of).double()
    x = torch.randn(4, 6, dtype=torch.float64)
    np.testing.assert_allclose(block(x).detach().numpy(), gated(x.numpy(), block.gate, squared), rtol=1e-12)


def test_a_gate_of_squares_sees_energy_not_sign() -> None:
    torch.manual_seed(0)
    squares, features = FeatureGate(6), FeatureGate(6, "features")
    x = torch.randn(2, 6)
    torch.testing.assert_close(squares(-x), -squares(x))
    assert not torch.allclose(features(-x), -features(x))


# The notebooks' code, as ../shared/papers/FACTS.md has it: sigmoid(W x + b) in the visible one, squares in the others.
NOTEBOOKS = {"visible": False, "infrared": True, "fused": True}


@pytest.mark.parametrize("choice", ["notebooks", "features", "squares"])
@pytest.mark.parametrize("method", NOTEBOOKS)
def test_each_network_of_the_paper_has_the_gate_of_its_notebook_or_the_other(
    root: Path, method: str, choice: str
) -> None:
    paper = load_paper(root / "papers/naseem2025.yaml", {} if choice == "notebooks" else {"gate": choice})
    section = {**paper.network, **paper.methods[method].network, "backbone": "compact-16", "weights": "none"}
    torch.manual_seed(5)
    network = catalog.build(section, 5).eval()
    images = torch.rand(len(network.modalities), 2, 3, 32, 32)
    trunks = [network.visible, network.infrared] if method == "fused" else [network.trunk]
    squared = NOTEBOOKS[method] if choice == "notebooks" else choice == "squares"
    pooled = [trunk.backbone(each).mean((2, 3)).detach().double() for trunk, each in zip(trunks, images, strict=True)]
    attended = [gated(x.numpy(), trunk.attention.gate, squared) for x, trunk in zip(pooled, trunks, strict=True)]
    expected = np.stack(attended, axis=-1).reshape(2, -1)  # of two trunks interleaved
    np.testing.assert_allclose(network.features(*images).detach().numpy(), expected, rtol=1e-4, atol=1e-6)


def test_checkpoints_of_released_runs_are_read_under_the_former_name() -> None:
    torch.manual_seed(0)
    before = catalog.build({"name": "squared_attention_net", "backbone": "compact", "modality": "visible"}, 5)
    assert isinstance(before, GatedNet)
    assert {"trunk.attention.gate.weight", "head.3.bias"} <= before.state_dict().keys()
    assert catalog.canonical({"name": "squared_attention_net", "gate": "squares"}) == {"name": "gated_net"}
    assert catalog.canonical({"name": "gated_net", "gate": "features"})["gate"] == "features"


def test_the_heads_are_those_of_the_paper() -> None:
    with torch.device("meta"):
        names = {"backbone": "resnet18"}
        visible, infrared, both = single(**names), single("infrared", **names), fused(**names)
    assert described(visible.head) == ["dropout 0.4", "linear 512 256", "dropout 0.4", "linear 256 5"]
    assert described(infrared.head) == [
        "dropout 0.7",
        "linear 512 256",
        "relu",
        "batchnorm1d",
        "dropout 0.8",
        "linear 256 5",
    ]
    assert described(both.head) == [
        "dropout 0.2",
        "linear 1024 256",
        "relu",
        "batchnorm1d",
        "dropout 0.2",
        "linear 256 5",
        "dropout 0.2",
    ]


def test_parameter_counts_done_by_hand() -> None:
    resnet = 11_689_512 - 513_000
    attention = 512 * 512 + 512
    first, last, norm = 512 * 256 + 256, 256 * 5 + 5, 2 * 256
    with torch.device("meta"):
        names = {"backbone": "resnet18"}
        assert parameters(single(**names)) == resnet + attention + first + last == 11_571_781
        assert parameters(single("infrared", **names)) == resnet + attention + first + norm + last == 11_572_293
        assert parameters(single(**names, attention=False)) == resnet + first + last
        joined = 1024 * 256 + 256
        assert parameters(fused(**names)) == 2 * (resnet + attention) + joined + norm + last == 23_142_533
        assert parameters(fused(**names, attention=False)) == 2 * resnet + joined + norm + last
    assert parameters(FeatureGate(512)) == 262_656


def test_features_are_interleaved_element_by_element() -> None:
    a, b = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[10.0, 20.0, 30.0]])
    assert interleave(a, b).tolist() == [[1, 10, 2, 20, 3, 30]]
    network = fused().eval()
    visible, infrared = torch.rand(2, 2, 3, 48, 48)
    features = network.features(visible, infrared)
    assert torch.equal(features[:, 0::2], network.visible(visible))
    assert torch.equal(features[:, 1::2], network.infrared(infrared))


def test_the_modalities_are_not_exchangeable() -> None:
    network = fused().eval()
    visible, infrared = torch.rand(2, 2, 3, 48, 48)
    assert not torch.allclose(network(visible, infrared), network(infrared, visible))


def test_dropout_behind_the_last_layer_zeroes_logits_in_training_alone() -> None:
    torch.manual_seed(3)
    network = fused(classes=7)
    visible, infrared = torch.rand(2, 64, 3, 16, 16)
    dropped = (network.train()(visible, infrared) == 0).float().mean().item()
    assert 0.1 < dropped < 0.3
    assert not (network.eval()(visible, infrared) == 0).any()


def test_without_attention_features_pass_as_they_are() -> None:
    network = single(attention=False).eval()
    images = torch.rand(2, 3, 48, 48)
    pooled = network.trunk.backbone(images).mean((2, 3))
    torch.testing.assert_close(network.features(images), pooled)
    assert not any("attention" in key for key in network.state_dict())


def test_branches_start_from_trained_networks_one_by_one() -> None:
    visible, infrared, untouched = single(seed=1), single("infrared", seed=2), fused(seed=3)
    network = fused(seed=3)
    network.load_branches(infrared=infrared.state_dict())
    for key, value in network.infrared.state_dict().items():
        assert torch.equal(value, infrared.trunk.state_dict()[key])
    for key, value in network.visible.state_dict().items():
        assert torch.equal(value, untouched.visible.state_dict()[key]), "the other branch keeps its own start"
    network.load_branches(visible=visible.state_dict())
    assert torch.equal(network.visible.attention.gate.weight, visible.trunk.attention.gate.weight)
    assert torch.equal(network.head[1].weight, untouched.head[1].weight), "heads are not taken over"


def test_a_branch_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="no branch 'thermal'; InterleavedFusion has visible, infrared"):
        fused().load_branches(thermal=single().state_dict())
    with pytest.raises(
        UserError, match=r"branch visible does not fit: .*2 missing \(such as attention\.gate\.weight\)"
    ):
        fused().load_branches(visible=single(attention=False).state_dict())
    with pytest.raises(UserError, match="of another shape"):
        fused().load_branches(visible=single(channels=1).state_dict())


def test_pixels_are_not_normalised() -> None:
    assert single().pixels == fused().pixels == "unit"
