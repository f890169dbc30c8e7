"""What every network returns for weights and images by a formula: numbers that no refactoring may move unseen.

    python tests/golden/make.py [network …]            write tests/golden/<network>.json
    python tests/golden/make.py --new [network …]      write the cases that are missing, and leave the others
    python tests/golden/make.py --check [network …]    write nothing; say how far each case is, and end with 1 if one is
                                                       too far

Run it after a change that is meant to change a network, look at `git diff tests/golden`, and commit both together.

**Cases.** Each network of `refer.networks.catalog` has one with its defaults, and one for every other value of every
option that is a choice (`Literal`, bool); a new network or choice is found by itself. Of an option that is a number,
`NUMBERS` lists the values; `WITH` lists what else must be set for an option to matter; `MORE` lists further cases.
To add one, add a line there and run this.

**Formulas.** `TABLE` holds 65,537 whole numbers, mixed from 0, 1, 2, …, as 16-bit fractions t in -1..1. Weight i of a
tensor is t at (CRC-32 of its name + i) mod 65,537, times a power of two near that of He et al. 2015; a normalisation
has weights (2 + t)/4 and variances 1 + t/2. Images are blocks of 8 x 8 pixels. All of it is whole numbers until the
last step, which is exact in float32: nothing depends on a random number generator or a machine.

**Numbers.** In float64, on the CPU, with dropout off: the logits in evaluation, what the network returns in training
(batch statistics), and the logits in evaluation after that (new running statistics); of large maps every so many
numbers. The test has the first in float32, as networks are run, and the others in float64: statistics of three images
magnify rounding. Each must come within 1e-5 of the largest number of an output; a case that is not well enough
conditioned for that is refused here.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import typing
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from refer.networks import catalog
from refer.networks.interface import Network
from refer.networks.options import names_backbone
from refer.networks.registry import backbones

FOLDER = Path(__file__).parent
CLASSES, BATCH = 7, 3
TOLERANCE = 1e-5
"""Of the largest number of an output: between float32 here and now, and what is written down."""
UNMOVED = 1e-8
"""Between float64 here and what is written down; less comes of another machine."""
MOST = 24
"""Numbers that are kept of an output."""

IGNORED = {"weights", "dropout", "channels"}
"""Options that no output here depends on, or that `NUMBERS` and `MORE` have."""
NUMBERS: dict[str, tuple[int, ...]] = {
    "side": (32,),
    "grid": (2,),
    "hidden": (256,),
    "mlp_hidden": (256,),
    "dim": (32,),
    "maps": (1,),
    "blocks": (2,),
    "filters": (16,),
}
"""Option that is a number → its values beside the default."""
WITH: dict[tuple[str, str], dict[str, Any]] = {
    ("cnn", "side"): {"backbone": "preactresnet18-open"},
    ("cnn", "vgg"): {"backbone": "vgg11"},
    ("late_fusion", "vgg"): {"first": "vgg11"},
    ("early_fusion", "vgg"): {"first": "vgg13"},
    ("joint_fusion", "vgg"): {"first": "vgg13"},
    ("fusion_attention", "vgg"): {"first": "vgg13"},
    ("fusion_attention", "grid"): {"tokens": "positions"},
}
"""(Network, option) → what else must be set for the option to matter."""
MORE: dict[str, list[dict[str, Any]]] = {
    "cnn": [
        *({"backbone": name} for name in backbones() if name != "resnet18"),
        {"backbone": "compact", "channels": 1},
        {"backbone": "preactresnet18-open", "side": 32, "pixels": "unit"},
    ],
    "gated_net": [{"modality": "infrared", "attention": False}, {"channels": 1}],
    "late_fusion": [{"first": "vgg11", "second": "vgg13"}],
    "early_fusion": [{"first": "vgg11"}],
    "joint_fusion": [{"first": "vgg13"}],
    "fusion_attention": [
        {"first": "vgg13"},
        {"scale": "batch", "tokens": "channels"},
        {"mlp": False, "self_attention": False, "local_attention": False},
    ],
    "ferattention": [{"backbone": "preactresnet18"}, {"representation": False, "maps": 1}],
    "region_attention_net": [
        {"backbone": "vgg13"},
        {"backbone": "resnet18-3x3", "grid": 6},
        {"backbone": "compact", "channels": 1},
        {"region_attention": False, "self_attention": False},
    ],
}
"""Network → cases beside the single switches."""
STRIDE_32 = {"resnet18", "resnet34"}
"""Backbones of which the last map is a 32nd of the image; of the others it is an 8th or a 16th."""


def _table() -> np.ndarray:
    """Mix 0 to 65,536, each in 32 bits, and keep 16 of them: whole numbers -32,768 to 32,767."""
    x = np.arange(65_537, dtype=np.uint64)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    return (x >> np.uint64(16)).astype(np.int64) - 32_768


TABLE = _table()
FRACTIONS = (TABLE / 32_768).astype(np.float32)


def fractions(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return float32 fractions in -1..1 for a tensor of that name."""
    start = zlib.crc32(name.encode()) % len(FRACTIONS)
    flat = np.resize(np.concatenate((FRACTIONS[start:], FRACTIONS[:start])), math.prod(shape))
    return flat.reshape(shape)


def step(fan_in: int) -> float:
    """Return a power of two p with 3 < p² · fan_in <= 12: He's uniform weights have 6. At most 1."""
    power = 0
    while 12 * 4**power < fan_in:
        power += 1
    return 2.0**-power


def fill(net: nn.Module) -> None:
    """Give every weight and statistic of a network its value by the formula."""
    norms = {
        name for name, part in net.named_modules() if isinstance(part, nn.modules.batchnorm._BatchNorm | nn.LayerNorm)
    }
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            owner, _, kind = name.rpartition(".")
            if kind == "num_batches_tracked":
                tensor.zero_()
                continue
            t = fractions(name, tuple(tensor.shape))
            if owner in norms:
                t = {"weight": (2 + t) / 4, "running_var": 1 + t / 2}.get(kind, t / 4)
            else:
                t = t * (step(tensor[0].numel()) if tensor.ndim > 1 else 1 / 16)
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(t)))


def images(net: Network, side: int) -> list[Tensor]:
    """Return a batch for each modality: 0..1 where the network expects that, else -2.25..2.25."""
    found = []
    for number in range(len(net.modalities)):
        b, c, y, x = np.ogrid[:BATCH, : net.channels, :side, :side]
        plane = b * 16 + c + 4 * number
        coarse = FRACTIONS[(plane * 4_099 + (y // 8) * 67 + x // 8) % len(FRACTIONS)]
        fine = FRACTIONS[(30_011 + plane * 10_007 + y * 521 + x) % len(FRACTIONS)]
        level = FRACTIONS[50_021 + b * 16 + c]  # so that images differ by more than blocks, which are averaged away
        mixed = (coarse + fine / 4 + level) / 2
        found.append(torch.from_numpy(0.5 + mixed * 0.375 if net.pixels == "unit" else mixed * 2))
    return found


def side_of(name: str, options: Mapping[str, Any]) -> int:
    """Return how large images are: as small as leaves a map of 2 x 2, or of 3 x 3 for a grid of regions."""
    fields = catalog.networks()[name].options.model_fields
    chosen = {options.get(option, field.default) for option, field in fields.items()}
    side = 48 if chosen & STRIDE_32 else 32
    return side * 3 // 2 if name == "region_attention_net" else side


class _NoDraws(TorchFunctionMode):
    """Leaves tensors as they are where initialisation would draw them: `fill` gives them all their values."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in ("uniform_", "normal_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def build(name: str, options: Mapping[str, Any]) -> Network:
    """Build a network with weights by the formula and without dropout."""
    with _NoDraws():
        net = catalog.build({"name": name, **options}, CLASSES)
    fill(net)
    for part in net.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        if isinstance(part, nn.MultiheadAttention):
            part.dropout = 0.0
    assert isinstance(net, Network)
    return net


def cases(name: str) -> list[dict[str, Any]]:
    """Return the options of every case of a network, those that differ from its defaults."""
    fields = catalog.networks()[name].options.model_fields
    found: list[dict[str, Any]] = [{}]
    for option, field in fields.items():
        if option in IGNORED or names_backbone(field):
            continue
        found += [{**WITH.get((name, option), {}), option: value} for value in _values(option, field)]
    found += MORE.get(name, [])
    return [case for k, case in enumerate(found) if case not in found[:k]]


def _values(option: str, field: Any) -> list[Any]:
    """The values of an option beside its default."""
    if field.annotation is bool:
        return [not field.default]
    known = typing.get_args(field.annotation)
    if typing.get_origin(field.annotation) is not typing.Literal:
        if option not in NUMBERS:
            raise KeyError(f"{__file__}: NUMBERS has no values for the option {option}; add some")
        known = NUMBERS[option]
    return [value for value in known if value != field.default]


def outputs(name: str, options: Mapping[str, Any], double: bool = False) -> dict[str, Any]:
    """Run a case; returns how many weights it has and which numbers it returned."""
    torch.set_num_threads(1)
    net = build(name, options)
    inputs = images(net, side_of(name, options))
    if double:
        net, inputs = net.double(), [each.double() for each in inputs]
    with torch.no_grad():
        before = net.eval()(*inputs)
        # Where few numbers are normalised, some hardly vary, and float32 loses three digits.
        net, inputs = net.double(), [each.double() for each in inputs]
        trained = net.train()(*inputs)
        after = net.eval()(*inputs)
    return {
        "parameters": sum(each.numel() for each in net.parameters()),
        "trained": sum(each.numel() for each in net.parameters() if each.requires_grad),
        "reads_batch": net.reads_batch,
        "eval": _kept(before),
        **({f"train {k}": _kept(v) for k, v in _named(trained)}),
        "eval after": _kept(after),
    }


def _named(output: Any) -> Iterator[tuple[str, Tensor]]:
    yield from [("logits", output)] if isinstance(output, Tensor) else output._asdict().items()


def _kept(output: Tensor) -> list[float]:
    """At most `MOST` numbers of an output, spread over it, with nine digits that count."""
    flat = output.double().flatten()
    places = np.unique(np.linspace(0, len(flat) - 1, min(MOST, len(flat))).round().astype(int))
    return [float(f"{value:.9g}") for value in flat[torch.from_numpy(places)].tolist()]


def distance(found: Mapping[str, Any], golden: Mapping[str, Any]) -> float:
    """Return by how much two results of a case differ, as a share of the largest number of an output.

    Infinite where they differ in anything else: in names, in how many numbers, in parameters.
    """
    most = 0.0
    if found.keys() != golden.keys():
        return math.inf
    for key, wanted in golden.items():
        mine = found[key]
        if not isinstance(wanted, list):
            most = max(most, 0.0 if mine == wanted else math.inf)
        elif len(mine) != len(wanted) or not all(map(math.isfinite, mine)):
            return math.inf
        else:
            scale = max(map(abs, wanted)) or 1.0
            gap = max(abs(a - b) for a, b in zip(mine, wanted, strict=True))
            most = max(most, gap / scale)
    return most


def read(name: str) -> dict[str, dict[str, Any]]:
    """Return what is written down of a network: case → its results."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def words(options: Mapping[str, Any]) -> str:
    """Return the name of a case."""
    return ",".join(f"{key}={value}" for key, value in sorted(options.items())) or "defaults"


def write(name: str, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the results of a network, each output in a line."""
    blocks = [
        f"  {json.dumps(case)}: {{\n"
        + ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in one.items())
        + "\n  }"
        for case, one in results.items()
    ]
    (FOLDER / f"{name}.json").write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; say which cases differ")
    parser.add_argument("--new", action="store_true", help="only cases that are not written down yet")
    parser.add_argument("networks", nargs="*", help="only these")
    wanted = parser.parse_args()
    differ = 0
    for name in wanted.networks or catalog.networks():
        results, known = {}, read(name)
        for options in cases(name):
            case = words(options)
            if wanted.check:
                away = distance(outputs(name, options), known[case]) if case in known else math.inf
                print(f"{name}: {case}: {f'{away:.1e}' if case in known else 'not written down'}", flush=True)
                differ += away > TOLERANCE
                continue
            if wanted.new and case in known:
                results[case] = known[case]
                continue
            results[case] = outputs(name, options, double=True)
            if case in known and distance(results[case], known[case]) < UNMOVED:
                results[case] = known[case]  # so that a difference of files shows what moved, and nothing else
            away = distance(outputs(name, options), results[case])
            print(f"{name}: {case}: float32 is {away:.1e} away", flush=True)
            if away > TOLERANCE / 3:
                raise SystemExit(
                    "That is too far for a comparison; give the case images or options that condition it better."
                )
        if not wanted.check:
            write(name, results)
    for path in FOLDER.glob("*.json"):
        if path.stem not in catalog.networks() and not wanted.check:
            path.unlink()
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
