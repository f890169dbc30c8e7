"""Any network of timm (Wightman 2019, Apache-2.0) as a backbone, by the name that timm has for it: `timm/<name>`.

It is built by timm's `features_only`, of which the last map is taken. Nothing of it is listed here: channels, sides and
normalisation are timm's own, asked of the network itself without numbers (on PyTorch's meta device).
"""

from __future__ import annotations

import difflib
import logging
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from refer.errors import UserError, unknown
from refer.networks.packages import how_to_install, is_package, read_package
from refer.networks.registry import BackboneEntry, Standard, family

if TYPE_CHECKING:
    from torch import Tensor, nn

    from refer.networks.stages import Backbone


@family("timm")
def timm_backbone(name: str) -> BackboneEntry | None:
    """Return what timm knows of a network.

    Raises:
        UserError: timm is not installed, has no such network, or cannot take it apart.
    """
    if find_spec("torch") is None:
        return None
    if find_spec("timm") is None:
        raise UserError(f"timm/{name} needs the package timm, which is not installed; {how_to_install('timm')}.")
    import timm

    plain, _, tag = name.partition(".")
    if not timm.is_model(plain):
        close = [f"timm/{each}" for each in difflib.get_close_matches(plain, timm.list_models(), n=3)]
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise UserError(f"no backbone 'timm/{name}'.{hint} All: python -c 'import timm; print(timm.list_models())'.")
    if tag and name not in timm.list_pretrained(f"{plain}.*"):
        tags = [each.partition(".")[2] for each in timm.list_pretrained(f"{plain}.*")]
        raise UserError(f"no backbone 'timm/{name}': timm/{plain} has no weights {unknown(tag, tags)}.")
    return BackboneEntry(
        build=_build,
        side=lambda side: _map_shape(name, 3, side)[-1],
        check=lambda channels, size: _check(name, channels, size),
        standard=lambda: _standard(name),
    )


def configuration(name: str) -> Any:
    """Return what timm says of a network's weights: size, normalisation, source; its defaults where it has none."""
    import timm
    from timm.models import PretrainedCfg

    return timm.get_pretrained_cfg(name) or PretrainedCfg()


def _standard(name: str) -> Standard:
    known = configuration(name)
    return tuple(known.mean), tuple(known.std)


def _check(name: str, channels: int, size: int) -> None:
    known = configuration(name)
    least = known.min_input_size
    if least and size < least[-1]:
        raise UserError(f"recipe.image_size: found {size}, but timm/{name} needs images of {least[-1]} pixels or more.")
    _map_shape(name, channels, size)


@cache
def _map_shape(name: str, channels: int, size: int) -> tuple[int, ...]:
    """Return the shape of the last map, without its batch: channels, height, width.

    Raises:
        UserError: the network does not take such images, or has no map.
    """
    import torch

    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"), torch.no_grad():
            maps = last_map(_features(name, channels)).eval()(torch.empty(1, channels, size, size))
    except UserError:
        raise
    except Exception as error:  # what a network of another project says of images that it cannot read
        said = " ".join(str(error).split())[:160] or type(error).__name__
        fixed = _fixed_size(name)
        instead = f"images of {fixed} pixels (recipe.image_size: {fixed})" if fixed else "larger images"
        raise UserError(
            f"recipe.image_size: timm/{name} does not read {channels}x{size}x{size} ({said}); take {instead}."
        ) from None
    if maps.ndim != 4 or 0 in maps.shape:
        raise UserError(f"recipe.image_size: of {size} pixels timm/{name} leaves no map; take larger images.")
    return tuple(maps.shape[1:])


def _fixed_size(name: str) -> int | None:
    known = configuration(name)
    return int(known.input_size[-1]) if known.fixed_input_size else None


def _features(name: str, channels: int, state: dict[str, Tensor] | None = None) -> Any:
    """Build timm's network as it is without its classifier; `state` is that of the whole network of three channels."""
    import timm

    told: dict[str, Any] = (
        {} if state is None else {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": state}}
    )
    logger = logging.getLogger("timm.models._builder")
    level = logger.level
    logger.setLevel(logging.ERROR)  # that the classifier's weights are left out is what is wanted
    try:
        net = timm.create_model(name, features_only=True, in_chans=channels, **told)
    except (RuntimeError, AttributeError) as error:
        said = " ".join(str(error).split())[:160]
        raise UserError(f"network.backbone: timm/{name} cannot be built as a backbone ({said}).") from None
    finally:
        logger.setLevel(level)
    if state is not None:
        _check_loaded(name, channels, net, state)
    return net


def _check_loaded(name: str, channels: int, net: Any, state: dict[str, Tensor]) -> None:
    """Refuse a network that did not take over the weights: timm passes over tensors whose names it does not know."""
    known = {(tuple(each.shape), float(each.double().sum())) for each in state.values()}
    own = net.state_dict()
    foreign = [key for key, each in own.items() if (tuple(each.shape), float(each.double().sum())) not in known]
    if len(foreign) > (channels != 3):  # of other channels the first convolution is adapted
        raise UserError(
            f"network.weights: {len(foreign)} of {len(own)} tensors of timm/{name} (such as {foreign[0]}) did not come "
            "from the weights; this network cannot begin with them."
        )


def last_map(features: Any) -> Any:
    """Return the module that gives the last of the maps of a network that timm took apart, channels first."""
    from refer.networks.last_map import LastMap

    return LastMap(features, str(getattr(features, "output_fmt", "NCHW")), features.feature_info.channels()[-1])


def whole(name: str, weights: str) -> nn.Module:
    """Build timm's whole network for three channels, with its classifier and with weights.

    Args:
        name: as timm has it.
        weights: `imagenet` for timm's own, `package:<name>`, or a .safetensors file of the whole network.

    Raises:
        UserError: the weights cannot be had, or do not fit.
    """
    import timm

    from refer.networks.weights import load_state, read_file
    from refer.networks.weights_of_timm import downloaded

    if weights == "imagenet":
        try:
            file = {"file": str(downloaded(name)), "custom_load": False}
            net: nn.Module = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=file)
        except RuntimeError as error:
            said = " ".join(str(error).split())[:160]
            raise UserError(f"network.weights: timm's weights of timm/{name} do not fit it ({said}).") from None
        return net
    net = timm.create_model(name)
    state = read_package(weights, net.state_dict()) if is_package(weights) else read_file(weights)
    load_state(net, state, f"network.weights: {weights}, for timm/{name},")
    return net


def _build(name: str, channels: int, weights: str) -> Backbone:
    """Build the last map of timm's network: (B, channels, H, W) → (B, width, h, w)."""
    import torch

    from refer.networks.stages import Backbone

    plain = name.removeprefix("timm/")
    state = None
    if weights != "none":
        with torch.random.fork_rng(devices=[]):  # what is drawn after this is the same with and without weights
            state = whole(plain, weights).state_dict()
    maps = last_map(_features(plain, channels, state))
    return Backbone(maps, width=maps.width)
