"""Images per second of a training step, for every network that a configuration asks for: what `refer plan` goes by.

    python benchmarks/rates.py [--configfile presets/full.yaml] [--only NETWORK] [--device cpu] [--precision bf16]

Rows of this device and these networks are replaced in src/refer/planning/rates.csv, others stay. On the CPU one thread
is timed by the processor's time, as the machine may be busy; on a GPU batches are the recipe's, and time is time.
Random images, random weights, forward, backward and a step of SGD; of a network whose branches are frozen only the
forward pass, which is made once an image, in fp32. GFLOP (multiplications and additions) are counted, not timed.
`--precision bf16` on a CPU adds rows of the device `cpu bf16`, for the networks that `precision: auto` trains in bf16.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from refer import yaml
from refer.networks import catalog
from refer.networks.interface import logits_of
from refer.plan import Run, load_plan
from refer.planning.rates import COLUMNS, FILE, cost_of, device_of, read_rates
from refer.recipe import Precision
from refer.training.data import memory_format
from refer.training.precision import Chosen, choose_precision

CPU_BATCH = {True: 64, False: 8}
"""By whether images are small: of large ones a batch has enough work in fewer."""
SMALL = 64
CLASSES = 7


def images(run: Run, network: nn.Module, batch: int, where: torch.device) -> list[torch.Tensor]:
    """Random inputs of a network, one a modality."""
    size = run.recipe.image_size
    shape = (batch, int(getattr(network, "channels", 3)), size, size)
    return [torch.rand(shape, device=where).contiguous(memory_format=memory_format(where, size)) for _ in run.inputs]


def step_of(run: Run, network: nn.Module, batch: int, where: torch.device, precision: Chosen) -> Callable[[], None]:
    """What is repeated for every batch of a run."""
    inputs = images(run, network, batch, where)
    labels = torch.randint(0, CLASSES, (batch,), device=where)
    if getattr(network, "frozen", False):
        network.eval()

        def extract() -> None:
            with torch.no_grad():
                network.extract(*inputs)  # type: ignore[operator]

        return extract
    optimizer = torch.optim.SGD(network.parameters(), 1e-4, momentum=0.9)
    network.train()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with precision.autocast():
            output = network(*inputs)
        functional.cross_entropy(logits_of(output).float(), labels).backward()
        optimizer.step()

    return step


def measure(run: Run, where: torch.device, seconds: float, wanted: Precision) -> dict[str, Any] | None:
    """One row of the table; None where the network would learn in fp32 although bf16 is asked for."""
    network = catalog.build({**run.network, "weights": "none"}, CLASSES)
    network = network.to(where).to(memory_format=memory_format(where, run.recipe.image_size))
    batch = CPU_BATCH[run.recipe.image_size <= SMALL] if where.type == "cpu" else run.recipe.batch_size
    frozen = bool(getattr(network, "frozen", False))
    precision = choose_precision("auto" if wanted == "bf16" else "fp32", network, where, on_features=frozen)
    if precision.name != wanted:
        return None
    step = step_of(run, network, batch, where, precision)
    with FlopCounterMode(display=False) as counter:
        step()
    clock = time.process_time if where.type == "cpu" else time.perf_counter
    step()
    _finish(where)
    steps, began = 0, clock()
    while steps < 2 or clock() - began < seconds:
        step()
        steps += 1
        _finish(where)
    spent = clock() - began
    network_name, size = cost_of(run)
    return {
        "network": network_name,
        "size": size,
        "device": device_of(where.type, wanted),
        "does": "features" if frozen else "training",
        "images_per_s": round(steps * batch / spent, 2),
        "gflop": round(counter.get_total_flops() / batch / 1e9, 3),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "source": f"benchmarks/rates.py, batches of {batch}, torch {torch.__version__}",
    }


def _finish(where: torch.device) -> None:
    if where.type == "cuda":
        torch.cuda.synchronize(where)


def main() -> None:
    """Measure every network once, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configfile", type=Path, default=Path("presets/full.yaml"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--precision", choices=["fp32", "bf16"], help="otherwise bf16 on a GPU and fp32 on the CPU")
    parser.add_argument("--only", default="", help="networks whose name holds this")
    parser.add_argument("--out", type=Path, default=FILE)
    given = parser.parse_args()
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error(
            "PyTorch sees no CUDA GPU here; on a cluster run it in a job: srun --gpus 1 python benchmarks/rates.py …"
        )
    torch.set_num_threads(1)
    given.precision = given.precision or ("bf16" if given.device.startswith("cuda") else "fp32")
    runs: dict[tuple[str, int], Run] = {}
    for run in load_plan(yaml.read(given.configfile), str(given.configfile)).runs():
        if given.only in cost_of(run)[0]:
            runs.setdefault(cost_of(run), run)
    measured = []
    for run in runs.values():
        if (row := measure(run, torch.device(given.device), given.seconds, given.precision)) is None:
            continue
        measured.append(row)
        print(", ".join(f"{key} {value}" for key, value in measured[-1].items()), flush=True)
    new = {(row["network"], row["size"], row["device"]) for row in measured}
    old = [row.as_dict() for row in read_rates(given.out)] if given.out.is_file() else []
    kept = [row for row in old if (row["network"], row["size"], row["device"]) not in new]
    rows = sorted([*kept, *measured], key=lambda row: (row["device"], row["network"], row["size"]))
    with given.out.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
