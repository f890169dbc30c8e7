"""tran2023: two branches, three ways to fuse them and a fourth, its ablations, and what a token is."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn

from refer.errors import UserError
from refer.networks import catalog
from refer.networks.fusion_attention import FusionAttention, LocalAttention, Value, attend
from refer.networks.two_branches import TwoBranchNet

PAIR = {"first": "compact", "second": "compact", "channels": 1}


def build(name: str, classes: int = 4, seed: int = 0, **options: object) -> TwoBranchNet:
    torch.manual_seed(seed)
    network = catalog.build({"name": name, **PAIR, **options}, classes)
    assert isinstance(network, TwoBranchNet)
    return network


def cnn(classes: int = 4, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return catalog.build({"name": "cnn", "backbone": "compact", "channels": 1}, classes)


def parameters(module: nn.Module, trained: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained)


def block(width: int = 6, tokens: str = "batch", **options: object) -> FusionAttention:
    torch.manual_seed(5)
    chosen = {"hidden": 4, "scale": "width", "mlp": True, "self_attention": True, "local_attention": True}
    return FusionAttention(width, tokens=tokens, **{**chosen, "residual": True, **options}).double()  # type: ignore[arg-type]


def softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def linear(layer: nn.Linear, x: np.ndarray) -> np.ndarray:
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def value_by_hand(value: Value, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if value.mlp is None:
        return (a + b) / 2
    hidden = np.maximum(linear(value.mlp[0], np.concatenate((a, b), -1)), 0)
    return (a + b + linear(value.mlp[2], hidden)) / 3


def local_by_hand(local: LocalAttention, x: np.ndarray) -> np.ndarray:
    def convolved(h: np.ndarray) -> np.ndarray:
        taps, bias = local.convolve.weight.detach().numpy()[0, 0], local.convolve.bias.item()
        padded = np.pad(h, [(0, 0), (len(taps) // 2, len(taps) // 2)])
        return np.stack([padded[:, i : i + len(taps)] @ taps + bias for i in range(h.shape[1])], axis=1)

    match local.order:
        case "linear-conv-linear":
            h = linear(local.after, np.maximum(convolved(linear(local.before, x)), 0))
        case "linear-conv":
            h = convolved(np.maximum(linear(local.before, x), 0))
        case "conv-linear":
            h = linear(local.after, np.maximum(convolved(x), 0))
    h = x / (1 + np.exp(-h)) if local.gate else h
    return x + h if local.residual else h


def by_hand(fusion: FusionAttention, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The whole block with loops over tokens."""
    v = value_by_hand(fusion.value, a, b)
    q, k = (b, a) if fusion.query == "second" else (a, b)
    scale = np.sqrt(a.shape[-1]) if fusion.scale == "width" else len(a)
    summed, times = (v**2, np.ones_like(v)) if fusion.product == "before" else (v, v)
    if not fusion.self_attention:
        s = v
    elif fusion.tokens == "batch":
        s = np.stack([softmax(np.array([q[i] @ k[j] for j in range(len(q))]) / scale) @ summed for i in range(len(q))])
    elif fusion.tokens == "channels":
        s = np.stack([softmax(np.outer(q[n], k[n]) / scale) @ summed[n] for n in range(len(q))])
    else:
        s = np.stack([softmax(q[n] @ k[n].T / scale) @ summed[n] for n in range(len(q))])
    if fusion.self_attention:
        s = s * times + (v if fusion.skip else 0)
    if fusion.tokens == "positions":
        v, s = v.mean(1), s.mean(1)
    if fusion.local is None:
        return s
    return s + local_by_hand(fusion.local, v) if fusion.beside else local_by_hand(fusion.local, s)


def features(tokens: str, batch: int = 5, width: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(9)
    shape = (batch, 3, width) if tokens == "positions" else (batch, width)
    a, b = (torch.randn(shape, dtype=torch.float64, generator=generator) for _ in range(2))
    return a, b


@pytest.mark.parametrize("tokens", ["batch", "channels", "positions"])
@pytest.mark.parametrize("scale", ["width", "batch"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mlp": False},
        {"self_attention": False},
        {"local_attention": False},
        {"residual": False},
        {"mlp": False, "self_attention": False, "local_attention": False},
        {"query": "second"},
        {"product": "before"},
        {"skip": True},
        {"beside": True},
        {"gate": True},
        {"order": "linear-conv"},
        {"order": "conv-linear", "kernel": 5},
        {"query": "second", "product": "before", "skip": True, "beside": True, "gate": True, "residual": False},
    ],
)
def test_fusion_attention_is_its_formula(tokens: str, scale: str, options: dict[str, object]) -> None:
    fusion = block(tokens=tokens, scale=scale, **options)
    a, b = features(tokens)
    np.testing.assert_allclose(fusion(a, b).detach().numpy(), by_hand(fusion, a.numpy(), b.numpy()), rtol=1e-10)


def test_each_reading_is_another_network() -> None:
    """Of the options that the papers' file switches, none is a second name of what is there already."""
    a, b = features("batch")
    given = [
        {}, {"query": "second"}, {"product": "before"}, {"skip": True}, {"beside": True}, {"gate": True},
        {"scale": "batch"},
    ]  # fmt: skip
    found = [block(**options)(a, b) for options in given]
    for one, other in itertools.combinations(range(len(found)), 2):
        assert not torch.allclose(found[one], found[other]), (given[one], given[other])


def test_the_networks_options_reach_the_block() -> None:
    options = {"query": "second", "product": "before", "skip": True, "attentions": "side-by-side", "gate": True,
               "order": "conv-linear", "kernel": 7}  # fmt: skip
    fusion = build("fusion_attention", **options).fusion
    assert isinstance(fusion, FusionAttention)
    assert (fusion.query, fusion.product, fusion.skip, fusion.beside) == ("second", "before", True, True)
    assert fusion.local is not None
    assert (fusion.local.gate, fusion.local.order, fusion.local.convolve.kernel_size) == (True, "conv-linear", (7,))
    plain = build("fusion_attention").fusion
    assert (plain.query, plain.product, plain.skip, plain.beside, plain.local.gate) == ("first", "after", *[False] * 3)


@pytest.mark.parametrize(("name", "count"), [("vgg11", 128_795_015), ("vgg13", 128_979_527)])
def test_a_whole_vgg_has_as_many_parameters_as_torchvisions(name: str, count: int) -> None:
    """FACTS.md: 128.8 and 129.0 million with the fully connected layers, 9.2 and 9.4 without, for 7 classes."""
    with torch.device("meta"):
        whole = catalog.build({"name": "cnn", "backbone": name, "vgg": "whole"}, 7)
        pooled = catalog.build({"name": "cnn", "backbone": name}, 7)
        assert parameters(whole) == parameters(getattr(torchvision.models, name)(num_classes=7)) == count
        assert round(parameters(pooled) / 1e6, 1) == {"vgg11": 9.2, "vgg13": 9.4}[name]
        late = build("late_fusion", 7, first=name, second=name, channels=3, vgg="whole")
        assert parameters(late) == 2 * count


def test_a_whole_vgg_is_torchvisions_and_begins_with_its_weights(tmp_path: Path) -> None:
    torch.manual_seed(3)
    reference = torchvision.models.vgg11(num_classes=1000).eval()
    safetensors.torch.save_file(reference.state_dict(), tmp_path / "vgg11.safetensors")
    mine = catalog.build(
        {"name": "cnn", "backbone": "vgg11", "vgg": "whole", "weights": str(tmp_path / "vgg11.safetensors")}, 7
    ).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        deep = reference.classifier[:6](reference.avgpool(reference.features(images)).flatten(1))
        torch.testing.assert_close(mine.features(images), deep)
        torch.testing.assert_close(mine(images), deep @ mine.head.weight.T + mine.head.bias)
    dropouts = [layer.p for layer in mine.modules() if isinstance(layer, nn.Dropout)]
    assert dropouts == [layer.p for layer in reference.modules() if isinstance(layer, nn.Dropout)] == [0.5, 0.5]


def test_fusions_take_the_convolutions_of_a_whole_vgg() -> None:
    with torch.device("meta"):
        whole = catalog.build({"name": "cnn", "backbone": "vgg11", "vgg": "whole"}, 7)
        pooled = catalog.build({"name": "cnn", "backbone": "vgg11"}, 7)
    trunk = [key for key in whole.state_dict() if key.startswith("trunk.")]
    assert trunk == [key for key in pooled.state_dict() if key.startswith("trunk.")]


def test_formula_1_is_torchs_attention_times_the_value() -> None:
    query, key, value = torch.randn(3, 2, 5, 8, dtype=torch.float64)
    expected = nn.functional.scaled_dot_product_attention(query, key, value) * value
    torch.testing.assert_close(attend(query, key, value, 8**0.5), expected)


def test_switches_remove_their_modules() -> None:
    whole = set(block().state_dict())
    mlp = {key for key in whole if key.startswith("value.mlp")}
    local = {key for key in whole if key.startswith("local")}
    assert mlp
    assert local
    assert set(block(mlp=False).state_dict()) == whole - mlp
    assert set(block(local_attention=False).state_dict()) == whole - local
    assert set(block(self_attention=False).state_dict()) == whole, "formula 1 has no weights of its own"
    assert set(block(residual=False).state_dict()) == whole


def test_a_batch_token_sees_the_images_beside_it_and_no_other_token_does() -> None:
    for options, mates, number in (
        ({"tokens": "batch"}, True, True),
        ({"tokens": "batch", "self_attention": False}, False, False),
        ({"tokens": "channels"}, False, False),
        ({"tokens": "positions", "grid": 3}, False, False),
        ({"tokens": "channels", "scale": "batch"}, False, True),
    ):
        network = build("fusion_attention", **options).double().eval()
        side = 3 if options["tokens"] == "positions" else 1
        maps = torch.randn(2, 4, 128, side, side, dtype=torch.float64)
        others = torch.cat((maps[:, :1], maps.flip(0)[:, 1:]), dim=1)
        first = network.decide(*maps)[0]
        assert torch.allclose(first, network.decide(*others)[0]) is not mates, options
        assert torch.allclose(first, network.decide(*maps[:, :3])[0]) is not number, options
        assert network.reads_batch is number, options


def test_alone_in_its_batch_an_image_attends_to_itself() -> None:
    fusion = block(local_attention=False)
    a, b = features("batch", batch=1)
    value = value_by_hand(fusion.value, a.numpy(), b.numpy())
    np.testing.assert_allclose(fusion(a, b).detach().numpy(), value**2, rtol=1e-12)


def test_parameter_counts_done_by_hand() -> None:
    eighteen, thirty_four, eleven = 11_176_512, 21_284_672, 9_220_480
    value = (1024 * 512 + 512) + (512 * 512 + 512)
    local = 2 * (512 * 512 + 512) + (3 + 1)
    linear_head = 512 * 7 + 7
    with torch.device("meta"):
        real = {"first": "resnet18", "second": "resnet34", "channels": 3}
        whole = build("fusion_attention", 7, **real)
        assert parameters(whole) == eighteen + thirty_four + value + local + linear_head
        assert parameters(whole, trained=True) == value + local + linear_head == 1_316_363
        assert parameters(build("fusion_attention", 7, **real, frozen=False), trained=True) == parameters(whole)
        assert parameters(build("fusion_attention", 7, **real, local_attention=False), True) == value + linear_head
        assert parameters(build("fusion_attention", 7, **real, mlp=False), True) == local + linear_head
        assert parameters(build("early_fusion", 7, **real), trained=True) == 1024 * 7 + 7 == 7_175
        joint = parameters(build("joint_fusion", 7, **real), trained=True)
        assert joint == eighteen + thirty_four + 1024 * 7 + 7 == 32_468_359
        hidden = build("early_fusion", 7, **real, hidden=100)
        assert parameters(hidden, trained=True) == 1024 * 100 + 100 + 100 * 7 + 7
        flat = build("early_fusion", 7, first="vgg11", second="resnet34", channels=3, vgg="flatten")
        assert parameters(flat) == eleven + thirty_four + (25_088 * 512 + 512) + 1024 * 7 + 7
        assert flat(torch.empty(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize("rule", ["mean", "product", "max"])
def test_late_fusion_combines_probabilities(rule: str) -> None:
    network = build("late_fusion", rule=rule).eval()
    one, two = cnn(seed=1).eval(), cnn(seed=2).eval()
    network.load_branches(first=one.state_dict(), second=two.state_dict())
    images = torch.randn(3, 1, 48, 48)
    with torch.no_grad():
        p, q = (softmax(each(images).double().numpy()) for each in (one, two))
        found = network(images).double()
    combined = {"mean": (p + q) / 2, "product": p * q, "max": np.maximum(p, q)}[rule]
    np.testing.assert_allclose(
        found.softmax(1).numpy(), combined / combined.sum(1, keepdims=True), rtol=1e-4, atol=1e-6
    )
    if rule == "mean":
        np.testing.assert_allclose(found.exp().numpy(), combined, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["early_fusion", "joint_fusion", "fusion_attention"])
def test_branches_start_from_trained_networks(name: str) -> None:
    network, one, two = build(name), cnn(seed=1), cnn(seed=2)
    network.load_branches(first=one.state_dict(), second=two.state_dict())
    images = torch.randn(2, 1, 48, 48)
    a, b = network.eval().extract(images)
    torch.testing.assert_close(a.mean((2, 3)), one.eval().features(images))  # type: ignore[operator]
    torch.testing.assert_close(b.mean((2, 3)), two.eval().features(images))  # type: ignore[operator]


@pytest.mark.parametrize("name", ["late_fusion", "early_fusion", "fusion_attention"])
def test_what_frozen_extractors_see_can_be_kept(name: str) -> None:
    network = build(name)
    images = torch.randn(4, 1, 48, 48)
    kept = network.eval().extract(images)
    network.train()
    assert not network.first.training
    again = network.extract(images)
    assert all(torch.equal(one, other) for one, other in zip(kept, again, strict=True))
    assert not any(one.requires_grad for one in again)
    network.eval()
    assert torch.equal(network.decide(*kept), network(images))


def test_joint_fusion_trains_both_extractors() -> None:
    network = build("joint_fusion").train()
    assert network.first.training
    network(torch.randn(4, 1, 48, 48)).square().sum().backward()
    for branch in (network.first, network.second):
        assert all(parameter.grad is not None for parameter in branch.parameters())
    assert sum(parameter.grad.abs().sum() for parameter in network.first.parameters()) > 0  # type: ignore[union-attr]


def test_what_cannot_be_is_refused() -> None:
    with torch.device("meta"):
        with pytest.raises(UserError, match="positions need two maps of the same width"):
            build("fusion_attention", tokens="positions", second="resnet18")
        with pytest.raises(UserError, match="vgg: flatten"):
            build("fusion_attention", tokens="positions", vgg="flatten")
        with pytest.raises(UserError, match="one file cannot fit both compact and resnet18"):
            build("early_fusion", second="resnet18", weights="some.safetensors")
        assert build("early_fusion", second="resnet18").match_second.project.weight.shape == (128, 512)
    with pytest.raises(UserError, match="no branch 'third'"):
        build("early_fusion").load_branches(third=cnn().state_dict())
