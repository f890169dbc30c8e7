"""Which networks and backbones there are, known without importing torch.

A network is declared in `refer.networks.options`: its options as a class, marked `@network`, which names the module and
the function that build it. A backbone is declared and built in a file of `refer.networks.backbones`, by a function
marked `@backbone`. A wrong option is therefore refused when the workflow is planned, in milliseconds; a module that
imports torch is itself imported only when a network is built.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from refer.errors import UserError, unknown

if TYPE_CHECKING:
    from torch import nn

    from refer.networks.stages import Backbone

Build = Callable[[str, int, str], "Backbone"]
"""Takes the backbone's name, the channels of its images and its weights; see `backbones.build_backbone`."""

Standard = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of pixels 0..1, one number a channel, that weights were trained with."""


class Options(BaseModel):
    """What a network may be told in the `network` section of a paper, beside its `name`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


OptionsClass = TypeVar("OptionsClass", bound=type[Options])


class NetworkEntry(NamedTuple):
    """What is known of a network before it is built.

    Attributes:
        factory: `module:function` below refer.networks; called with the options and the number of classes.
        options: the class that checks what a paper sets.
        modalities: the pictures that it reads, in this order.
        later: options that released results did not know; their defaults are what was done then.
        reads_batch: sets of options; with all of one set, predictions depend on the other images of the batch.
        explains: sets of options; with all of one set, the network can say where it looks.
    """

    factory: str
    options: type[Options]
    modalities: tuple[str, ...] = ("visible",)
    later: tuple[str, ...] = ()
    reads_batch: tuple[Mapping[str, Any], ...] = ()
    explains: tuple[Mapping[str, Any], ...] = ()

    def build(self, options: Mapping[str, Any], classes: int) -> nn.Module:
        """Import the network's module and build the network for so many classes."""
        module, _, function = self.factory.partition(":")
        built: nn.Module = getattr(importlib.import_module(f"refer.networks.{module}"), function)(
            self.options(**options), classes
        )
        return built


class BackboneEntry(NamedTuple):
    """What is known of a backbone before it is built.

    Attributes:
        build: the function that builds it; it imports torch.
        side: side of the last map for a side of the image, both in pixels.
        imagenet: whether torchvision has a network of this name with ImageNet weights.
        check: refuses channels and sides of images, in pixels, that it cannot read; None where it reads all.
        standard: what images of its pretrained weights are normalised by; None for what is done everywhere here.
    """

    build: Build
    side: Callable[[int], int]
    imagenet: bool = False
    check: Callable[[int, int], None] | None = None
    standard: Callable[[], Standard] | None = None


Family = Callable[[str], BackboneEntry | None]
"""Takes a name without the library's; None where the library's networks cannot be looked at, for want of PyTorch."""

_FAMILIES: dict[str, Family] = {}
_NETWORKS: dict[str, NetworkEntry] = {}
_BACKBONES: dict[str, BackboneEntry] = {}


def network(name: str, factory: str, **known: Any) -> Callable[[OptionsClass], OptionsClass]:
    """Declare the options of a network; see `NetworkEntry` for `factory` and the rest."""

    def declare(options: OptionsClass) -> OptionsClass:
        _NETWORKS[name] = NetworkEntry(factory, options, **known)
        return options

    return declare


def backbone(*names: str, side: Callable[[int], int], imagenet: bool = False) -> Callable[[Build], Build]:
    """Declare backbones that one function builds; see `BackboneEntry`."""

    def declare(build: Build) -> Build:
        _BACKBONES.update({name: BackboneEntry(build, side, imagenet) for name in names})
        return build

    return declare


def family(library: str) -> Callable[[Family], Family]:
    """Declare the function that knows all backbones of a library: those named `<library>/<name>`.

    It raises UserError for a name that the library has not, and where the library is not installed.
    """

    def declare(known: Family) -> Family:
        _FAMILIES[library] = cache(known)
        return known

    return declare


@cache
def networks() -> Mapping[str, NetworkEntry]:
    """Return every network by its name."""
    importlib.import_module("refer.networks.options")
    return _NETWORKS


@cache
def backbones() -> Mapping[str, BackboneEntry]:
    """Return every backbone by its name, in their order: those of all files in refer/networks/backbones/."""
    package = importlib.import_module("refer.networks.backbones")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_BACKBONES.items()))


def is_backbone(name: object) -> bool:
    """Whether a value is the name of a backbone: one of ours, or what looks like one of a library's."""
    return isinstance(name, str) and (name in backbones() or ("/" in name and name.partition("/")[0] in _FAMILIES))


def backbone_of(name: str) -> BackboneEntry | None:
    """Return what is known of a backbone: of this folder, or `<library>/<name>` of a library.

    Returns None for one of a library where PyTorch is absent: nothing is trained there, so nothing is asked.

    Raises:
        UserError: there is no such backbone, or its library is not installed.
    """
    if name in backbones():
        return backbones()[name]
    library, slash, rest = name.partition("/")
    if slash and library in _FAMILIES:
        return _FAMILIES[library](rest)
    raise UserError(f"no backbone {unknown(name, [*backbones(), *(f'{each}/<name>' for each in sorted(_FAMILIES))])}.")
