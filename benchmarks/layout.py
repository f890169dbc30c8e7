"""How images should lie in memory on a CPU: channels_last against PyTorch's default, by the images' size.

    python benchmarks/layout.py [--networks resnet18 vgg13 …] [--sizes 48 96 …] [--threads 2] [--steps 3]

The step alone (forward, backward, SGD) on random images, in turns, medians. `refer.training.data.memory_format` takes
the border from this table.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional

from refer.networks.backbones import build_backbone

FORMATS = {"channels_last": torch.channels_last, "default": torch.contiguous_format}
PIXELS = 32 * 64 * 64
"""Of a batch, about: the more, the less the parameters' own cost counts."""


def step_of(name: str, size: int, batch: int, memory_format: torch.memory_format) -> Callable[[], None]:
    """What is timed."""
    network = build_backbone(name, 3, "none").to(memory_format=memory_format).train()
    optimizer = torch.optim.SGD(network.parameters(), 1e-4, momentum=0.9)
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=memory_format)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        functional.adaptive_avg_pool2d(network(images), 1).square().mean().backward()
        optimizer.step()

    return step


def compare(name: str, size: int, batch: int, steps: int) -> dict[str, float]:
    """Images per second of both, each the median of so many steps, in turns."""
    ways = {label: step_of(name, size, batch, how) for label, how in FORMATS.items()}
    for step in ways.values():
        step()  # the first one allocates and chooses kernels
    found: dict[str, list[float]] = {label: [] for label in ways}
    for _ in range(steps):
        for label, step in ways.items():
            began = time.perf_counter()
            step()
            found[label].append(batch / (time.perf_counter() - began))
    return {label: statistics.median(rates) for label, rates in found.items()}


def main() -> None:
    """Measure each cell and print the table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["compact", "resnet18", "resnet18-3x3", "resnet34", "vgg13"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[48, 64, 96, 128, 160, 224])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"images/s, median of {given.steps} steps; torch {torch.__version__}, Python {platform.python_version()}\n")
    print("| network | size | batch | channels_last | default | ratio |\n|---|---:|---:|---:|---:|---:|")
    for name in given.networks:
        for size in given.sizes:
            batch = max(2, min(32, PIXELS // size**2))
            last, default = compare(name, size, batch, given.steps).values()
            print(f"| {name} | {size} | {batch} | {last:.1f} | {default:.1f} | {last / default:.2f} |", flush=True)


if __name__ == "__main__":
    main()
