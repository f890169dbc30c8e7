"""How many images a second a device trains, as measured: rates.csv, written by benchmarks/rates.py.

A network that was measured on a device at another size is taken to scale with its pixels; one that was not measured on
it at all, with its multiplications, counted on any device, at the median of what that device makes of the others. A
device that nobody measured is a stated number of TFLOP/s: a guess, and called so.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from refer.errors import UserError
from refer.networks import catalog
from refer.plan import Run
from refer.processor import bf16_instructions

FILE = Path(__file__).with_name("rates.csv")
CHEAPER = 3
"""A forward pass is a third of a training step: forward, and backward for inputs and for weights."""


@dataclass(frozen=True)
class Rate:
    """A network at a size on a device: images/s, and GFLOP an image, of a training step or of its features alone."""

    network: str
    size: int
    device: str
    does: str
    images_per_s: float
    gflop: float
    parameters: int
    source: str

    def as_dict(self) -> dict[str, Any]:
        """One row of rates.csv."""
        return asdict(self)


def device_of(kind: str, precision: str) -> str:
    """Name a device as rates.csv does: a CPU is another one in bf16; a GPU always learns in bf16 there."""
    return "cpu bf16" if (kind, precision) == ("cpu", "bf16") else kind


COLUMNS = tuple(Rate.__dataclass_fields__)


@dataclass(frozen=True)
class Speed:
    """What a plan goes by: images/s, the network's parameters, whether it trains on features, and where it is from."""

    images_per_s: float
    parameters: int
    features: bool
    source: str


def cost_of(run: Run) -> tuple[str, int]:
    """Name what a run's speed depends on: its network without what costs nothing, and the size of its images."""
    known = run.network
    parts = [str(known[key]) for key in ("backbone", "first", "second") if key in known]
    if known.get("frozen"):
        parts.append("frozen")
    return " ".join([str(catalog.current(known["name"])), "+".join(parts)]).strip(), run.recipe.image_size


def precision_of(run: Run) -> str:
    """The precision in which a run would learn on the CPU of this machine."""
    wanted = run.recipe.precision or "fp32"
    return ("bf16" if bf16_instructions() else "fp32") if wanted == "auto" else wanted


def read_rates(path: Path = FILE) -> list[Rate]:
    """Read the table."""
    with path.open(encoding="utf-8", newline="") as handle:
        return [
            Rate(
                row["network"],
                int(row["size"]),
                row["device"],
                row["does"],
                float(row["images_per_s"]),
                float(row["gflop"]),
                int(row["parameters"]),
                row["source"],
            )
            for row in csv.DictReader(handle)
        ]


def speed(rates: Sequence[Rate], run: Run, device: str, tflops: float | None = None) -> Speed:
    """How fast a run's network is on a device, or at so many sustained TFLOP/s.

    Raises:
        UserError: the network was never measured, or the device was not and no TFLOP/s are given.
    """
    name, size = cost_of(run)
    same = [rate for rate in rates if rate.network == name]
    if not same:
        raise UserError(f"{run.path}: the speed of {name!r} is not known; measure it: python benchmarks/rates.py")
    nearest = min(same, key=lambda rate: (abs(rate.size - size), rate.device != device))
    scale = (size / nearest.size) ** 2
    gflop = nearest.gflop * scale
    features = nearest.does == "features"
    if tflops is not None:
        return Speed(1e3 * tflops / gflop, nearest.parameters, features, f"guessed, {tflops:g} TFLOP/s")
    here = [rate for rate in rates if rate.device == device_of(device, precision_of(run))]
    if not any(rate.network == name for rate in here):
        here = [rate for rate in rates if rate.device == device]  # what is not measured in bf16 is as slow as in fp32
    if not here:
        known = ", ".join(sorted({rate.device for rate in rates}))
        raise UserError(
            f"Nothing was measured on {device!r} (known: {known}). Measure it there with python benchmarks/rates.py "
            f"--device cuda, or guess: --tflops 20"
        )
    measured = [rate for rate in here if rate.network == name]
    if measured:
        best = min(measured, key=lambda rate: abs(rate.size - size))
        how = "measured" if best.size == size else f"measured at {best.size}, scaled to {size} pixels"
        return Speed(best.images_per_s * (best.size / size) ** 2, nearest.parameters, features, how)
    sustained = statistics.median(rate.images_per_s * rate.gflop for rate in here)
    return Speed(sustained / gflop, nearest.parameters, features, f"from {sustained:.0f} GFLOP/s of others")
