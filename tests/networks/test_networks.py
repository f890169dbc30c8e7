"""Networks: shapes, parameter counts done by hand, formulas against NumPy, gradients, and the catalogue."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from refer.errors import UserError
from refer.networks import catalog
from refer.networks.attention import RegionAttention, RegionSelfAttention
from refer.networks.backbones import build_backbone
from refer.networks.pooling import GridPool, by_products
from refer.networks.preactresnet import PreActivationBlock
from refer.networks.registry import backbones

BASE = {"name": "region_attention_net", "backbone": "compact", "channels": 1}


def build(classes: int = 7, **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return catalog.build(BASE | options, classes)


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("region", [True, False])
@pytest.mark.parametrize("mixing", [True, False])
@pytest.mark.parametrize(("classes", "size", "batch"), [(7, 48, 3), (8, 64, 1), (2, 40, 2)])
def test_logits_have_one_column_a_class(region: bool, mixing: bool, classes: int, size: int, batch: int) -> None:
    network = build(classes, region_attention=region, self_attention=mixing).eval()
    assert network(torch.randn(batch, 1, size, size)).shape == (batch, classes)


@pytest.mark.parametrize(
    ("backbone", "channels", "side"),
    [
        ("resnet18", 3, 2),
        ("resnet18-3x3", 1, 6),
        ("resnet34", 3, 2),
        ("resnet34-3x3", 1, 6),
        ("vgg11", 1, 3),
        ("vgg13", 3, 3),
        ("vgg13-bn", 1, 3),
        ("preactresnet18", 3, 6),
        ("preactresnet18-open", 1, 6),
        ("compact", 1, 6),
    ],
)
def test_backbones_give_the_map_that_they_promise(backbone: str, channels: int, side: int) -> None:
    with torch.device("meta"):  # shapes without numbers: the VGGs' unused classifiers take seconds to draw
        stages = build_backbone(backbone, channels, "none").eval()
        assert stages(torch.empty(1, channels, 48, 48)).shape == (1, stages.width, side, side)


def test_every_backbone_that_can_be_named_can_be_built() -> None:
    with torch.device("meta"):
        for name in backbones():
            assert build_backbone(name, 3, "none").width in (64, 128, 160, 512)
    with pytest.raises(UserError, match="Did you mean 'resnet34'"):
        build_backbone("resnet43", 3, "none")


def test_parameter_counts_of_backbones_done_by_hand() -> None:
    def norm(width: int) -> int:
        return 2 * width

    def basic(a: int, b: int, first: bool) -> int:
        shortcut = a * b + norm(b) if first and a != b else 0
        return 9 * (a if first else b) * b + 9 * b * b + 2 * norm(b) + shortcut

    def resnet(blocks: tuple[int, ...]) -> int:
        stem, total, a = 49 * 3 * 64 + norm(64), 0, 64
        for b, count in zip((64, 128, 256, 512), blocks, strict=True):
            total += basic(a, b, True) + (count - 1) * basic(b, b, False)
            a = b
        return stem + total

    def vgg(widths: list[int]) -> int:
        return sum(9 * a * b + b for a, b in zip([3, *widths], widths, strict=False))

    def preactivation(closed: bool) -> int:
        total, a = 27 * 64, 64
        for b, changes in ((64, False), (128, True), (256, True), (512, True)):
            total += norm(a) + 9 * a * b + norm(b) + 9 * b * b + (a * b if changes else 0)
            total += 2 * norm(b) + 2 * 9 * b * b
            a = b
        return total + (norm(512) if closed else 0)

    expected = {
        "resnet18": (resnet((2, 2, 2, 2)), 11_176_512),
        "resnet34": (resnet((3, 4, 6, 3)), 21_284_672),
        "vgg11": (vgg([64, 128, 256, 256, 512, 512, 512, 512]), 9_220_480),
        "vgg13": (vgg([64, 64, 128, 128, 256, 256, 512, 512, 512, 512]), 9_404_992),
        "vgg13-bn": (vgg(widths := [64, 64, 128, 128, 256, 256, 512, 512, 512, 512]) + 2 * sum(widths), 9_410_880),
        "preactresnet18": (preactivation(True), 11_167_040),
        "preactresnet18-open": (preactivation(False), 11_166_016),
    }
    with torch.device("meta"):
        for name, (by_hand, documented) in expected.items():
            assert parameters(build_backbone(name, 3, "none")) == by_hand == documented, name


def test_a_pre_activation_block_is_its_formula() -> None:
    torch.manual_seed(4)
    block = PreActivationBlock(2, 3, stride=1).double()
    x = torch.randn(4, 2, 5, 5, dtype=torch.float64)

    def normalised(t: np.ndarray) -> np.ndarray:
        axes = (0, 2, 3)
        return (t - t.mean(axes, keepdims=True)) / np.sqrt(t.var(axes, keepdims=True) + 1e-5)

    def convolved(t: np.ndarray, kernel: torch.Tensor) -> np.ndarray:
        k = kernel.detach().numpy()
        side = k.shape[-1] // 2
        padded = np.pad(t, ((0, 0), (0, 0), (side, side), (side, side)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, k.shape[2:], axis=(2, 3))
        return np.einsum("bchwij,ocij->bohw", windows, k)

    h = np.maximum(normalised(x.numpy()), 0)
    inner = np.maximum(normalised(convolved(h, block.conv1.weight)), 0)
    expected = convolved(inner, block.conv2.weight) + convolved(h, block.shortcut.weight)
    np.testing.assert_allclose(block(x).detach().numpy(), expected, rtol=1e-9, atol=1e-12)
    same = PreActivationBlock(2, 2, stride=1)
    assert same.shortcut is None
    with torch.no_grad():
        same.conv2.weight.zero_()
    assert torch.equal(same(x.float()), x.float()), "the unchanged path is unchanged"


def test_parameter_counts_done_by_hand() -> None:
    # Six 3x3 convolutions without bias, each followed by scale and shift of its batch normalisation.
    pairs = [(1, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)]
    backbone = sum(9 * a * b + 2 * b for a, b in pairs)
    head = 128 * 7 + 7
    region = (128 * 64 + 64) + (64 + 1)
    # Position of 9 regions; query, key, value and output, each 128x128 with bias; layer norm.
    mixing = 9 * 128 + 4 * (128 * 128 + 128) + 2 * 128
    assert parameters(build(region_attention=False, self_attention=False)) == backbone + head
    assert parameters(build(region_attention=True, self_attention=False)) == backbone + head + region
    assert parameters(build(region_attention=False, self_attention=True)) == backbone + head + mixing
    assert parameters(build()) == backbone + head + region + mixing
    # torchvision's ResNet-18 has 11,689,512 parameters, 513,000 of them in its classifier.
    assert parameters(build_backbone("resnet18", 3, "none")) == 11_689_512 - 513_000


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
def test_region_attention_is_its_formula(gate: str) -> None:
    torch.manual_seed(1)
    block = RegionAttention(6, gate).double()
    tokens = torch.randn(2, 5, 6, dtype=torch.float64)
    hidden, _, score = block.score
    u, c = hidden.weight.detach().numpy(), hidden.bias.detach().numpy()
    w, b = score.weight.detach().numpy()[0], score.bias.item()
    t = tokens.numpy()
    e = np.tanh(t @ u.T + c) @ w + b
    if gate == "softmax":
        a = np.exp(e) / np.exp(e).sum(axis=1, keepdims=True)
        expected = (a[..., None] * t).sum(axis=1)
    else:
        expected = (t / (1 + np.exp(-e))[..., None]).mean(axis=1)
    np.testing.assert_allclose(block(tokens).detach().numpy(), expected, rtol=1e-10)


def test_self_attention_is_its_formula() -> None:
    torch.manual_seed(2)
    d, heads, regions = 8, 2, 4
    block = RegionSelfAttention(d, regions, heads).double()
    tokens = torch.randn(3, regions, d, dtype=torch.float64)
    t = tokens.numpy()
    x = t + block.position.detach().numpy()
    w, b = block.attend.in_proj_weight.detach().numpy(), block.attend.in_proj_bias.detach().numpy()
    q, k, v = ((x @ part.T + bias) for part, bias in zip(np.split(w, 3), np.split(b, 3), strict=True))
    mixed = []
    for head in np.split(np.arange(d), heads):
        scores = q[..., head] @ k[..., head].transpose(0, 2, 1) / np.sqrt(d / heads)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed.append(weights / weights.sum(-1, keepdims=True) @ v[..., head])
    out = np.concatenate(mixed, -1) @ block.attend.out_proj.weight.detach().numpy().T
    y = t + out + block.attend.out_proj.bias.detach().numpy()
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + block.norm.eps)
    np.testing.assert_allclose(block(tokens).detach().numpy(), y, rtol=1e-8, atol=1e-10)


def test_gradients_reach_every_parameter() -> None:
    network = build()
    network(torch.randn(4, 1, 48, 48)).logsumexp(1).sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A key's bias shifts all scores of a query alike, so softmax has no gradient for it: it is one third of this one.
    assert without == []


def test_channels_last_and_bfloat16_change_little() -> None:
    network = build().eval()
    images = torch.randn(4, 1, 48, 48)
    plain = network(images)
    last = network.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(plain, last, rtol=1e-3, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        half = network(images).float()
    torch.testing.assert_close(plain, half, rtol=0.1, atol=0.1)


def test_weights_that_cannot_be_had_say_which_file_to_put_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(UserError, match=r"(?s)resnet18.*no network.*Put https://.*resnet18-.*\.pth at "):
        build_backbone("resnet18", 3, "imagenet")
    with pytest.raises(UserError, match="3 channels"):
        build_backbone("resnet18", 1, "imagenet")
    with pytest.raises(UserError, match=r"no file nowhere\.safetensors"):
        build_backbone("resnet18", 3, "nowhere.safetensors")


def test_broken_weights_are_told_from_missing_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("invalid hash value (expected 1, got 2)")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match="could not be downloaded"):
        build_backbone("resnet18", 3, "imagenet")
    (tmp_path / "checkpoints").mkdir(exist_ok=True)
    (tmp_path / "checkpoints/resnet18-f37072fd.pth").touch()
    with pytest.raises(UserError, match=r"(?s)its SHA-256 is not .* not whole.*resnet18-f37072fd.pth, whole, or set"):
        build_backbone("resnet18", 3, "imagenet")


@pytest.mark.parametrize(("grid", "rows", "columns"), [(3, 7, 7), (3, 6, 5), (2, 3, 12), (1, 4, 4), (7, 3, 3)])
def test_a_grid_of_products_is_that_of_pytorch(grid: int, rows: int, columns: int) -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 5, rows, columns, dtype=torch.float64)
    assert torch.allclose(by_products(maps, grid), torch.nn.AdaptiveAvgPool2d(grid)(maps), atol=1e-7)
    assert torch.equal(GridPool(grid)(maps), torch.nn.AdaptiveAvgPool2d(grid)(maps)), "on the CPU PyTorch's own"


def test_weights_from_a_local_file(tmp_path) -> None:
    import torchvision
    from safetensors.torch import save_file

    torch.manual_seed(3)
    donor = torchvision.models.resnet18(weights=None)
    save_file(donor.state_dict(), tmp_path / "donor.safetensors")
    stages = build_backbone("resnet18", 3, str(tmp_path / "donor.safetensors"))
    assert torch.equal(stages[0].weight, donor.conv1.weight)
    with pytest.raises(UserError, match=r"donor\.safetensors, for resnet34, does not fit: of its tensors \d+ missing"):
        build_backbone("resnet34", 3, str(tmp_path / "donor.safetensors"))
    (tmp_path / "donor.safetensors").write_bytes((tmp_path / "donor.safetensors").read_bytes()[:1000])
    with pytest.raises(UserError, match="not a whole"):
        build_backbone("resnet18", 3, str(tmp_path / "donor.safetensors"))


def test_the_catalogue_refuses_what_a_network_does_not_take() -> None:
    with pytest.raises(UserError, match="Did you mean 'region_attention_net'"):
        catalog.check({"name": "region_atention_net"}, "here.network")
    with pytest.raises(UserError, match=r"here\.network\.backbone: no backbone 'resnet'\. Did you mean 'resnet\d\d'"):
        catalog.check({"name": "region_attention_net", "backbone": "resnet"}, "here.network")
    with pytest.raises(UserError, match="classes"):
        catalog.check({"name": "region_attention_net", "classes": 7}, "here.network")
    with pytest.raises(UserError, match=r"fusion_attention has no option 'token'\. Did you mean 'tokens'"):
        catalog.check({"name": "fusion_attention", "token": "batch"}, "here.network")
    with pytest.raises(UserError, match=r"here\.network\.tokens: found 'pixels', expected 'batch', 'channels' or"):
        catalog.check({"name": "fusion_attention", "tokens": "pixels"}, "here.network")
    with pytest.raises(UserError, match=r"here\.network\.modality: found 'thermal', expected 'visible' or 'infrared'"):
        catalog.check({"name": "gated_net", "modality": "thermal"}, "here.network")
    with pytest.raises(UserError, match=r"here\.network\.dim: found '64'"):
        catalog.check({"name": "ferattention", "dim": "64"}, "here.network")


def test_the_catalogue_knows_modalities_without_torch() -> None:
    code = (
        "import sys\n"
        "from refer.networks import catalog\n"
        "print(catalog.modalities({'name': 'interleaved_fusion'}))\n"
        "print(catalog.modalities({'name': 'gated_net'}))\n"
        "print(catalog.modalities({'name': 'gated_net', 'modality': 'infrared'}))\n"
        "print(catalog.modalities({'name': 'cnn'}), 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "('visible', 'infrared')",
        "('visible',)",
        "('infrared',)",
        "('visible',) False",
    ]
