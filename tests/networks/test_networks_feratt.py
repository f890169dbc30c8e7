"""feratt2019: attention map, features, correction, representation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from refer.networks import catalog
from refer.networks.attention_map import AttentionMap, Encoder
from refer.networks.face_correction import Correction, FaceFeatures, Renormalise, ResidualBlock
from refer.networks.ferattention import Corrected, FERAttention

SMALL = {"name": "ferattention", "encoder": "compact", "filters": 2, "backbone": "compact", "dim": 8}


def build(classes: int = 5, **options: object) -> FERAttention:
    torch.manual_seed(0)
    network = catalog.build({**SMALL, **options}, classes)
    assert isinstance(network, FERAttention)
    return network


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def convolved(x: np.ndarray, layer: nn.Conv2d) -> np.ndarray:
    k, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    side = k.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (side, side), (side, side)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, k.shape[2:], axis=(2, 3))
    return np.einsum("bchwij,ocij->bohw", windows, k) + bias[:, None, None]


def test_the_feature_module_is_its_formula() -> None:
    torch.manual_seed(1)
    module = FaceFeatures(3, blocks=2).double()
    x = torch.rand(2, 3, 11, 11, dtype=torch.float64)
    entered = convolved(x.numpy(), module.enter)
    h = entered
    for block in module.blocks:
        inner = convolved(h, block.convolve[0])
        h = h + convolved(np.where(inner > 0, inner, 0.2 * inner), block.convolve[2])
    expected = convolved(h, module.leave) + entered
    np.testing.assert_allclose(module(x).detach().numpy(), expected, rtol=1e-9, atol=1e-11)
    assert len(FaceFeatures(3).blocks) == 8
    assert isinstance(module.blocks[0], ResidualBlock)


def test_the_correction_is_its_formula() -> None:
    torch.manual_seed(2)
    module = Correction(4).double().train()
    x, a, f = (torch.randn(2, width, 7, 7, dtype=torch.float64) for width in (3, 4, 4))
    gated = f.numpy() / (1 + np.exp(-a.numpy()))
    joined = np.concatenate((gated, x.numpy(), a.numpy()), axis=1)
    assert joined.shape[1] == 2 * 4 + 3
    h = convolved(np.maximum(convolved(joined, module.convolve[0]), 0), module.convolve[2])
    axes = (0, 2, 3)
    h = (h - h.mean(axes, keepdims=True)) / np.sqrt(h.var(axes, keepdims=True) + 1e-5)
    np.testing.assert_allclose(module(x, a, f).detach().numpy(), np.maximum(h, 0), rtol=1e-8, atol=1e-10)


def test_renormalising_turns_cifars_statistics_into_a_half() -> None:
    pixels = torch.rand(2, 3, 4, 4)
    mean = torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1)
    spread = torch.tensor([0.2023, 0.1994, 0.2010]).view(1, 3, 1, 1)
    torch.testing.assert_close(Renormalise()((pixels - mean) / spread), (pixels - 0.5) / 0.5, rtol=1e-4, atol=1e-5)


def test_the_attention_map_climbs_back_to_the_image() -> None:
    with torch.device("meta"):
        module = AttentionMap(Encoder("resnet34", "none"), 32, 7).eval()
        sides = [tuple(each.shape[1:]) for each in module.encoder(torch.empty(2, 3, 64, 64))]
        assert sides == [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]
        for side in (64, 48, 50, 32, 128):
            assert module(torch.empty(1, 3, side, side)).shape == (1, 7, side, side)
        widths = [(each.convolve[0].in_channels, each.convolve[0].out_channels, each.convolve[2].out_channels)
                  for each in (module.centre, module.up5, module.up4, module.up3, module.up2, module.up1)]  # fmt: skip
    assert widths == [
        (512, 512, 256),
        (768, 512, 256),
        (512, 512, 256),
        (384, 256, 64),
        (128, 128, 128),
        (128, 128, 32),
    ]


def test_the_steps_up_double_the_side() -> None:
    # At 64 pixels every size that a step aims at is twice the size it starts from.
    seen: list[tuple[int, int]] = []
    module = AttentionMap(Encoder("compact", "none"), 1, 1)
    for block in (module.centre, module.up5, module.up4, module.up3, module.up2, module.up1):
        block.register_forward_hook(lambda _, given, out: seen.append((given[0].shape[-1], out.shape[-1])))
    module.eval()(torch.zeros(1, 3, 64, 64))
    assert seen == [(1, 2), (2, 4), (4, 8), (8, 16), (16, 32), (32, 64)]


def test_parameter_counts_done_by_hand() -> None:
    def conv(a: int, b: int, k: int = 3) -> int:
        return k * k * a * b + b

    def up(a: int, m: int, b: int) -> int:
        return conv(a, m) + conv(m, b)

    k = 7
    encoder = 21_284_672
    decoder = up(512, 512, 256) + up(768, 512, 256) + up(512, 512, 256) + up(384, 256, 64)
    decoder += up(128, 128, 128) + up(128, 128, 32)
    attention = encoder + decoder + conv(32, 32) + conv(32, k, 1)
    assert attention == 34_604_864 + 33 * k
    face = conv(3, k, 9) + 17 * conv(k, k)
    assert face == 153 * k * k + 261 * k == 9_324
    correction = conv(2 * k + 3, 32) + conv(32, 3, 1) + 6
    assert correction == 576 * k + 1_001
    trunk = 11_166_016
    with torch.device("meta"):
        real = {"encoder": "resnet34", "filters": 32, "backbone": "preactresnet18-open", "dim": 64}
        assert parameters(Encoder("compact", "none")) == 97_680
        both = attention + face + correction + trunk
        assert parameters(build(k, **real)) == both + (512 * 64 + 64) + (64 * k + k) == 45_818_755
        assert parameters(build(k, **real, representation=False)) == both + 512 * k + k == 45_789_059


def test_training_returns_what_the_losses_need_and_evaluation_logits() -> None:
    network = build(classes=5)
    images = torch.rand(2, 3, 64, 64)
    output = network.train()(images)
    assert isinstance(output, Corrected)
    assert output.logits.shape == (2, 5)
    assert output.representation.shape == (2, 8)
    assert output.attention.shape == (2, 5, 64, 64)
    assert 0 <= output.attention.min() < output.attention.max() <= 1
    assert output.corrected.shape == images.shape
    assert output.corrected.min() >= 0
    network.eval()
    logits = network(images)
    assert isinstance(logits, Tensor)
    assert torch.equal(logits, network.explain(images).logits)
    assert torch.equal(network.features(images), network.explain(images).representation)


def test_the_classifier_sees_the_corrected_image_at_half_its_side() -> None:
    network = build().eval()
    images = torch.rand(2, 3, 64, 64)
    seen: list[Tensor] = []
    network.trunk.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    corrected = network.explain(images).corrected
    assert seen[0].shape == (2, 3, 32, 32)
    torch.testing.assert_close(seen[0], functional.avg_pool2d(network.renormalise(corrected), 2))


def test_maps_are_as_many_as_classes_unless_said() -> None:
    assert build(classes=4).explain(torch.rand(1, 3, 64, 64)).attention.shape[1] == 4
    assert build(classes=4, maps=1).explain(torch.rand(1, 3, 64, 64)).attention.shape[1] == 1


def test_without_a_representation_its_layer_is_gone() -> None:
    network = build(representation=False).eval()
    assert not any(key.startswith("represent") for key in network.state_dict())
    assert network.explain(torch.rand(2, 3, 64, 64)).representation.shape == (2, 128), "the pooled features"


def test_gradients_of_each_loss_reach_their_own_modules() -> None:
    network = build().train()

    def reached(loss: Tensor) -> set[str]:
        network.zero_grad(set_to_none=True)
        loss.backward()
        return {
            key
            for key, child in network.named_children()
            if any(p.grad is not None and p.grad.abs().sum() > 0 for p in child.parameters())
        }

    images = torch.rand(4, 3, 64, 64)
    front = {"attention", "face", "correction"}
    assert reached(network(images).corrected.square().mean()) == front
    assert reached(network(images).representation.square().mean()) == front | {"trunk", "represent"}
    assert reached(network(images).logits.square().mean()) == front | {"trunk", "represent", "head"}


def test_the_baseline_averages_its_input_to_32_pixels() -> None:
    torch.manual_seed(0)
    network = catalog.build({"name": "cnn", "backbone": "compact", "side": 32, "pixels": "unit"}, 7).eval()
    images = torch.rand(2, 3, 64, 64)
    whole = catalog.build({"name": "cnn", "backbone": "compact", "pixels": "unit"}, 7).eval()
    whole.load_state_dict(network.state_dict())
    torch.testing.assert_close(network(images), whole(functional.avg_pool2d(images, 2)))
    assert network.pixels == "unit"


@pytest.mark.parametrize(("encoder", "before"), [("resnet18", 3), ("compact", 1)])
def test_the_stem_ends_with_the_largest_of_two_by_two(encoder: str, before: int) -> None:
    torch.manual_seed(4)
    stem = Encoder(encoder, "none").eval().stem
    images = torch.rand(2, 3, 32, 32)
    filtered = stem[:before](images).detach().numpy()  # 16x16
    largest = filtered.reshape(2, -1, 8, 2, 8, 2).max(axis=(3, 5))
    np.testing.assert_array_equal(stem(images).detach().numpy(), largest)
    assert (largest != filtered.reshape(2, -1, 8, 2, 8, 2).mean(axis=(3, 5))).any()


@pytest.mark.parametrize("encoder", ["resnet18", "compact"])
def test_the_encoder_hands_out_four_maps(encoder: str) -> None:
    with torch.device("meta"):
        found = Encoder(encoder, "none")
        maps = found(torch.empty(1, 3, 64, 64))
    assert [each.shape[-1] for each in maps] == [16, 8, 4, 2]
    assert tuple(each.shape[1] for each in maps) == found.widths
