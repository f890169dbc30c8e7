"""What training costs beside its arithmetic: images per second of the step alone, of this project, of the usual loop.

    python benchmarks/training.py                                           everything: two to three hours
    python benchmarks/training.py --networks resnet18 --sizes 48 --seconds 5 --repeats 5

(a) `step`: forward, backward, SGD on random tensors that lie on the device; the ceiling.
(b) `refer`: this project's epoch, augmentation and bookkeeping included; FERAtt with its composer.
(c) `loop`: files, PIL transforms by torchvision, a DataLoader (the fastest of `--workers`), float32.

On the same machine and the same images, in turns, after a warm-up; medians and their ratios. The images are the real
FER2013 where `--data` is there, else a drawn stand-in; the table says which. (a) and (b) are measured in fp32 and in
bf16 (`--precision` leaves one out), lie in memory as `refer.training.data.memory_format` says, and with `--compile` use
torch.compile. b/a is told for each precision, b/c for the one that `precision: auto` takes for this network on this
machine. Every turn is a row of the CSV file.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from conventional import Conventional, training_rows, write_files
from torch.nn import functional

from refer.datasets.backgrounds import prepare_backgrounds
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.datasets.standin import fer2013 as standin
from refer.networks import catalog
from refer.networks.ferattention import Corrected
from refer.networks.interface import in_full
from refer.plan import Run
from refer.processor import bf16_instructions
from refer.recipe import Recipe
from refer.training.data import memory_format
from refer.training.environment import choose_device, describe_device
from refer.training.losses import feratt_terms
from refer.training.precision import Chosen, choose_precision
from refer.training.stopping import StoppedError, Stopping
from refer.training.task import build_task
from refer.training.train import Training, images_of

NETWORKS = ("resnet18", "resnet18-3x3", "compact-40", "resnet34", "vgg11", "vgg13", "ferattention")
PRECISIONS = ("fp32", "bf16")
CLASSES = 7
USUAL = {"flip": True, "rotation": 10.0, "scale": 0.1, "shift": 0.1}
AUGMENTATION: dict[str, dict[str, Any]] = {
    "usual": USUAL,
    "rich": {**USUAL, "shear": 5.0, "perspective": 0.1, "brightness": 0.2, "contrast": 0.2, "erase": 0.5, "mixup": 0.2},
}
BATCHES = {("cpu", True): 128, ("cpu", False): 16, ("cuda", True): 1024, ("cuda", False): 256}
Step = Callable[[], int]


class Clock(Stopping):
    """Ends an epoch where its turn is over; the next turn goes on there."""

    until = 0.0

    def check(self) -> None:
        """Raise StoppedError when the time is over."""
        if time.perf_counter() > self.until:
            raise StoppedError("the turn is over")


def run_of(name: str, size: int, batch: int, augmentation: str) -> Run:
    """The run whose epoch is measured."""
    network: dict[str, Any] = {"name": "cnn", "backbone": name, "weights": "none"}
    how: dict[str, Any] = {"augmentation": AUGMENTATION[augmentation]}
    if name == "ferattention":
        network, how = {"name": name, "weights": "none"}, {"compose": {"size": size}, "compose_test": False}
    recipe = Recipe.model_validate(
        {"epochs": 1000, "batch_size": batch, "image_size": size, "optimizer": "sgd", "lr": 0.01, "weight_decay": 5e-4,
         **how}
    )  # fmt: skip
    return Run("benchmark", "fer2013", "fer2013", "audited", name, 0, False, network, recipe, ("public",), "public")


def alone(run: Run, where: torch.device, precision: Chosen, compiled: bool) -> Step:
    """(a): the step on random tensors, with PyTorch's own optimizer."""
    layout = memory_format(where, run.recipe.image_size)
    network: Any = catalog.build(run.network, CLASSES).to(where).to(memory_format=layout).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    batch, size = run.recipe.batch_size, run.recipe.image_size
    images = torch.rand(batch, 3, size, size, device=where).contiguous(memory_format=layout)
    labels = torch.randint(0, CLASSES, (batch,), device=where)
    call = torch.compile(network) if compiled else network

    def step() -> int:
        optimizer.zero_grad(set_to_none=True)
        with precision.autocast():
            output = in_full(call(images))
        if isinstance(output, Corrected):
            loss = torch.stack(list(feratt_terms(output, labels, CLASSES, images, structured=False).values())).sum()
        else:
            loss = functional.cross_entropy(output, labels)
        loss.backward()
        optimizer.step()
        return batch

    return step


def refers(run: Run, data: Data, where: torch.device, precision: Chosen, compiled: bool) -> Callable[[float], int]:
    """(b): so many seconds of this project's epochs; returns the images that they saw."""
    task = build_task(run, data.prepared, data.index, CLASSES, where, {}, data.backgrounds)
    clock = Clock()
    training = Training(run, task, CLASSES, where, report=lambda *_: None, stopping=clock)
    training.precision = precision
    if compiled:
        training.call = torch.compile(task.network)
    now, each = training.progress, images_of(len(task.train or ()), run.recipe)

    def turn(seconds: float) -> int:
        images, clock.until = 0, time.perf_counter() + seconds
        while time.perf_counter() < clock.until:
            before = now.seen
            try:
                training.train_epoch()
                images += each - before
                now.epoch, now.steps, now.seen = now.epoch + 1, 0, 0
            except StoppedError:
                images += now.seen - before
        return images

    return turn


def repeated(step: Step) -> Callable[[float], int]:
    """Steps for so many seconds."""

    def turn(seconds: float) -> int:
        images, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            images += step()
        return images

    return turn


@dataclasses.dataclass(frozen=True)
class Data:
    """What is learnt from: prepared images with their parts, the same as files, and backgrounds."""

    name: str
    prepared: Path
    index: pd.DataFrame
    files: Path
    backgrounds: Path


def load_data(source: Path, folder: Path, *, files: bool = True) -> Data:
    """Prepare FER2013, the real one if it is there, and write some of it as `files`."""
    real = source.exists()
    given = source if real else folder / "drawn"
    if not real:
        standin.draw(given, images={"Training": 6000, "PublicTest": 300, "PrivateTest": 300}, subjects=300, seed=0)
    obtain("fer2013", str(given), folder / "raw", stand_in=not real)
    prepare("fer2013", folder / "raw", folder / "prepared")
    index = pd.read_parquet(folder / "prepared/index.parquet")
    parts = {"Training": "train", "PublicTest": "public", "PrivateTest": "private"}
    index = index.assign(part=index["split"].map(parts), kept=True)
    if files:
        write_files(folder / "prepared", *training_rows(index), folder / "files")
        prepare_backgrounds("stand-in", folder / "backgrounds", count=60, size=277, seed=0)
    name = f"real FER2013, {len(index):,} images" if real else f"drawn stand-in of FER2013, {len(index):,} images"
    return Data(name, folder / "prepared", index, folder / "files", folder / "backgrounds")


def timed(turn: Callable[[float], int], seconds: float, where: torch.device, busy: bool) -> float:
    """Images per second of one turn."""
    clock = time.process_time if busy else time.perf_counter
    if where.type == "cuda":
        torch.cuda.synchronize()
    began = clock()
    images = turn(seconds)
    if where.type == "cuda":
        torch.cuda.synchronize()
    return images / (clock() - began)


def measure(run: Run, data: Data, where: torch.device, given: argparse.Namespace) -> dict[str, list[float]]:
    """Images per second of each way of one network, all turns."""
    composing = data.backgrounds if run.recipe.compose else None
    ways = {}
    for name in given.precision:
        precision = Chosen(name, "measured", where.type)
        ways[f"step, {name}"] = repeated(alone(run, where, precision, given.compile))
        ways[f"refer, {name}"] = refers(run, data, where, precision, given.compile)
    for workers in given.workers:
        network = catalog.build(run.network, CLASSES)
        loop = Conventional(network, data.files, run.recipe, workers, where, composing)
        ways[f"loop, {workers} workers"] = repeated(loop.step)
    for turn in ways.values():
        turn(given.seconds / 2)  # the first steps allocate, choose kernels, compile, start workers
    found: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(given.repeats):
        for way, turn in ways.items():
            found[way].append(timed(turn, given.seconds, where, given.busy))
    return found


def row_of(name: str, size: int, batch: int, found: dict[str, list[float]], taken: str) -> str:
    """A row of the table; `taken` is the precision that `auto` takes."""
    medians = {way: statistics.median(rates) for way, rates in found.items()}
    loops = {way: rate for way, rate in medians.items() if way.startswith("loop")}
    best = max(loops, key=lambda way: loops[way]) if loops else None

    def rate(way: str | None) -> str:
        return f"{medians[way]:,.1f}" if way in medians else "–"

    def ratio(one: str, other: str | None) -> float | None:
        if one not in found or other not in found:
            return None
        return statistics.median(a / b for a, b in zip(found[one], found[other], strict=True))

    cells = [name, f"{size}", f"{batch}", *(rate(f"{way}, {p}") for way in ("step", "refer") for p in PRECISIONS)]
    cells.append(f"{rate(best)} ({best.removeprefix('loop, ')})" if best else "–")
    ratios = [
        *((ratio(f"refer, {p}", f"step, {p}"), "{:.1%}") for p in PRECISIONS),
        (ratio("step, bf16", "step, fp32"), "{:.2f}"),
        (ratio(f"refer, {taken}", best), f"{{:.2f}} ({taken})"),
    ]
    cells += ["–" if value is None else text.format(value) for value, text in ratios]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure every cell, print the table and write the CSV file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--sizes", nargs="+", type=int, default=[48, 224])
    parser.add_argument("--seconds", type=float, default=30, help="of a turn; one step at least")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, help="otherwise by device and size")
    parser.add_argument("--workers", nargs="*", type=int, default=[0, 2], help="of the usual loop; none: without it")
    parser.add_argument("--augmentation", choices=AUGMENTATION, default="usual", help="rich: every change, of both")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--busy", action="store_true", help="count the processor's time: with one thread, no workers")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared/data/fer2013.tar.xz")
    parser.add_argument("--out", type=Path, default=Path("training-benchmark.csv"))
    given = parser.parse_args()
    if given.busy:
        given.threads, given.workers = 1, [0] * bool(given.workers)
    torch.set_num_threads(given.threads)
    where = choose_device(given.device)
    about = describe_device(where, given.threads)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = load_data(given.data, Path(folder))
        clock = "processor time" if given.busy else "wall time"
        compiled = ", compiled" if given.compile else ""
        print(f"images/s by {clock}, medians of {given.repeats} turns of {given.seconds:g} s; {data.name};")
        print(f"augmentation: {given.augmentation}; {about['device_name']}, {given.threads} threads, ", end="")
        print(f"{bf16_instructions() or 'no bf16 arithmetic'}{compiled}; torch {torch.__version__}, ", end="")
        print(f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}\n")
        print("| network | size | batch | (a) fp32 | (a) bf16 | (b) fp32 | (b) bf16 | (c) loop, fp32 ", end="")
        print("| b/a fp32 | b/a bf16 | bf16/fp32 of (a) | b/c |\n|---|---:|---:|" + "---:|" * 9)
        for size in given.sizes:
            for name in given.networks:
                batch = given.batch or BATCHES[where.type if where.type == "cuda" else "cpu", size <= 64]
                run = run_of(name, size, batch, given.augmentation)
                found = measure(run, data, where, given)
                taken = choose_precision("auto", catalog.build(run.network, CLASSES), where).name
                print(row_of(name, size, batch, found, taken), flush=True)
                rows += [
                    {"network": name, "size": size, "batch": batch, "way": way, "turn": turn, "images_per_s": rate,
                     "augmentation": given.augmentation, "compiled": given.compile, "data": data.name,
                     "torch": torch.__version__, **about}
                    for way, rates in found.items() for turn, rate in enumerate(rates)
                ]  # fmt: skip
                with given.out.open("w", encoding="utf-8", newline="") as handle:
                    writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)


if __name__ == "__main__":
    main()
