"""How many images per second a training step makes: backbones, threads, and two jobs at once.

    python benchmarks/step.py [--seconds 4] [--repeats 3]

Random 48x48 images that already lie on the device; forward, backward and an SGD step on batches of 128. The
cells of the table take turns, so that a machine whose speed drifts does not favour one of them; medians are shown.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time

BACKBONES = ("compact", "resnet18", "resnet18-3x3")
BATCH = 128


def measure(backbone: str, threads: int, seconds: float) -> float:
    """Images per second of one process."""
    import torch
    from torch.nn import functional

    from refer.networks import catalog

    torch.set_num_threads(threads)
    options = {"name": "region_attention_net", "backbone": backbone, "channels": 1}
    network = catalog.build(options, 7).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    images = torch.randn(BATCH, 1, 48, 48).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 7, (BATCH,))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    step()  # the first one allocates and chooses kernels
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        step()
        steps += 1
    return steps * BATCH / (time.perf_counter() - began)


def in_processes(backbone: str, threads: int, jobs: int, seconds: float) -> float:
    """Images per second of so many processes together."""
    command = [sys.executable, __file__, "--one", backbone, str(threads), str(seconds)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(jobs)]
    return sum(float(json.loads(process.communicate()[0])) for process in running)


def main() -> None:
    """Measure every cell in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=3, metavar=("BACKBONE", "THREADS", "SECONDS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one[0], int(given.one[1]), float(given.one[2]))))
        return
    ways = {"1 job x 1 thread": (1, 1), "1 job x 2 threads": (2, 1), "2 jobs x 1 thread": (1, 2)}
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(given.repeats):
        for backbone in BACKBONES:
            for way, (threads, jobs) in ways.items():
                found.setdefault((backbone, way), []).append(in_processes(backbone, threads, jobs, given.seconds))
    import torch

    print(f"images/s, median of {given.repeats}; torch {torch.__version__}, Python {platform.python_version()}\n")
    print(f"| backbone | {' | '.join(ways)} |\n|---|{'---:|' * len(ways)}")
    for backbone in BACKBONES:
        print(f"| {backbone} | {' | '.join(f'{statistics.median(found[backbone, way]):.0f}' for way in ways)} |")


if __name__ == "__main__":
    main()
