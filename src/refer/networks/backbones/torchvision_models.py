"""Any classifier of torchvision (BSD-3) as a backbone, by the name that torchvision has for it: `torchvision/<name>`.

Where its last map is, is asked of the network itself: the last tensor (B, C, h, w) that it makes before its classifier,
but for what an average pooling makes of it. Nothing is listed here.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from refer.errors import UserError, unknown
from refer.networks.registry import BackboneEntry, Standard, family

if TYPE_CHECKING:
    from refer.networks.stages import Backbone

HEADS = ("classifier", "fc", "head", "heads", "AuxLogits", "aux1", "aux2")
"""What torchvision calls the classifiers of its networks, those beside the main one among them."""
LARGE = 256
"""Side in pixels of the image by whose maps the last is found: none of it is down to one place."""


@family("torchvision")
def torchvision_backbone(name: str) -> BackboneEntry | None:
    """Return what torchvision knows of a network.

    Raises:
        UserError: torchvision has no such classifier.
    """
    if find_spec("torch") is None:
        return None
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise UserError(f"no backbone {unknown(f'torchvision/{name}', [f'torchvision/{each}' for each in known])}")
    return BackboneEntry(
        build=_build,
        side=lambda side: _map_shape(name, side)[-1],
        check=lambda channels, size: _check(name, channels, size),
        standard=lambda: _standard(name),
    )


def _standard(name: str) -> Standard:
    from refer.networks.weights import torchvision_weights

    how = torchvision_weights(name).transforms()
    return tuple(how.mean), tuple(how.std)


def _check(name: str, channels: int, size: int) -> None:
    if channels != 3:
        raise UserError(
            f"network.channels: found {channels}, but torchvision/{name} reads 3; set 3: grey images are then repeated."
        )
    _map_shape(name, size)


@cache
def _map_shape(name: str, size: int) -> tuple[int, ...]:
    """Return the shape of the last map, without its batch: channels, height, width.

    Raises:
        UserError: the network does not take such images, or has no map.
    """
    import torch

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        maps = _last_map(_whole(name), name).eval()
        try:
            with torch.no_grad():
                return tuple(maps(torch.empty(1, 3, size, size)).shape[1:])
        except Exception as error:  # what a network of another project says of images that it cannot read
            said = " ".join(str(error).split())[:160] or type(error).__name__
            raise UserError(
                f"recipe.image_size: torchvision/{name} does not read images of {size} pixels ({said}); "
                "take larger ones, or the size that it was made for (mostly 224)."
            ) from None


def _whole(name: str) -> Any:
    from torchvision import models

    aux = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return models.get_model(name, weights=None, **aux)


@cache
def _last_node(name: str) -> str:
    """Return the name that torchvision's tracer has for the last map of a network.

    Raises:
        UserError: it has none, or cannot be traced.
    """
    import torch
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    with torch.random.fork_rng(devices=[]), torch.device("meta"), torch.no_grad():
        net = _whole(name).eval()
        learning, testing = get_graph_node_names(net, suppress_diff_warning=True)
        nodes = [each for each in testing if each in learning and each.split(".")[0] not in HEADS and each != "x"]
        images = torch.empty(1, 3, LARGE, LARGE)
        for size in (LARGE, 224):  # some read images of the side alone that they were trained with
            try:
                made = create_feature_extractor(net, nodes, suppress_diff_warning=True)(images[..., :size, :size])
                break
            except Exception:
                made = {}
    shapes = {node: value.shape for node, value in made.items() if isinstance(value, torch.Tensor)}
    maps = [node for node, shape in shapes.items() if len(shape) == 4 and shape[-1] > 1 and "avgpool" not in node]
    after = list(shapes.values())[list(shapes).index(maps[-1]) :] if maps else []
    if not maps or any(len(shape) == 3 for shape in after):  # what comes after is a sequence: the map is mere patches
        raise UserError(f"network.backbone: torchvision/{name} makes no feature map; take a convolutional network.")
    return maps[-1]


def _last_map(net: Any, name: str) -> Any:
    """Return the module that gives the last map of torchvision's network."""
    from torchvision.models.feature_extraction import create_feature_extractor

    from refer.networks.last_map import LastMap

    extractor = create_feature_extractor(net, {_last_node(name): "maps"}, suppress_diff_warning=True)
    return LastMap(extractor, "NCHW", 0)


def _build(name: str, channels: int, weights: str) -> Backbone:
    """Build the last map of torchvision's network: (B, 3, H, W) → (B, width, h, w)."""
    from refer.networks.stages import Backbone
    from refer.networks.weights import load_weights

    plain = name.removeprefix("torchvision/")
    _check(plain, channels, 224)
    net = _whole(plain)
    load_weights(net, plain, weights)
    return Backbone(_last_map(net, plain), width=_map_shape(plain, 224)[0])
