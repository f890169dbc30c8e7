"""Jobs, hours and disk of a configuration, paper by paper, on one device and on several."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from refer.datasets.catalog import DATASETS
from refer.plan import Plan, Run
from refer.planning import images
from refer.planning.rates import CHEAPER, Rate, Speed, cost_of, speed

STARTUP = 20.0
"""Seconds of each job before and after its work: Snakemake twice, Python, PyTorch, the images onto the device."""
GROUPED = 5
"""Predictions that make one Slurm job (profiles/slurm)."""
BYTES = 4
"""Of a parameter in a checkpoint."""


@dataclass
class Work:
    """What a paper takes, or all of them together."""

    runs: int = 0
    trained: int = 0
    images: float = 0.0
    seconds: float = 0.0
    bytes: float = 0.0
    longest: float = 0.0
    jobs: int = 0

    def __add__(self, other: Work) -> Work:
        """Both together."""
        both = {key: value + getattr(other, key) for key, value in self.__dict__.items()}
        return Work(**both | {"longest": max(self.longest, other.longest)})


@dataclass
class Estimate:
    """Work by paper, the time of all on `devices` of them, disk beside the runs, and where the speeds are from."""

    papers: dict[str, Work]
    together: float
    devices: int
    data_bytes: int
    sources: dict[str, list[str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def all(self) -> Work:
        """The sum of the papers."""
        return sum(self.papers.values(), Work())


def estimate(
    plan: Plan, rates: Sequence[Rate], *, device: str, devices: int = 1, tflops: float | None = None
) -> Estimate:
    """Say what a plan's runs will take.

    Args:
        plan: the configuration.
        rates: what was measured.
        device: a device of `rates`.
        devices: so many of them at once.
        tflops: TFLOP/s that a device sustains, instead of what was measured.

    Raises:
        UserError: nothing was measured on the device, or a network never was.
    """
    papers: dict[str, Work] = {}
    seconds: dict[str, float] = {}
    runs = {run.path: run for run in plan.runs()}
    sources: dict[str, list[str]] = {}
    for run in runs.values():
        how = speed(rates, run, device, tflops)
        named = sources.setdefault(how.source, [])
        if (name := " ".join(map(str, cost_of(run)))) not in named:
            named.append(name)
        work = _work(plan, run, how)
        seconds[run.path] = work.seconds
        papers[run.paper] = papers.get(run.paper, Work()) + work
    for paper in papers.values():
        paper.jobs = paper.runs + -(-paper.runs // GROUPED)
    parents = {path: [parent.path for parent in plan.parents(run).values()] for path, run in runs.items()}
    datasets = plan.datasets()
    remarks = [
        f"{name}: its number of images is stated nowhere; {count} are reckoned with"
        for name in datasets
        if (count := DATASETS[name].expected)
    ]
    data = sum(images.prepared_bytes(name) for name in datasets)
    return Estimate(papers, schedule(seconds, parents, devices), devices, data, sources, remarks)


def _work(plan: Plan, run: Run, how: Speed) -> Work:
    """One run: training, a look at the watched part after every epoch, predictions of all evaluated parts."""
    sizes = images.parts(plan, run)
    watched = sizes[run.select if run.select != "last" else run.evaluated[0]]
    watched += sizes[run.rate_by] if run.rate_by else 0
    predicted = sum(sizes[part] for part in run.evaluated)
    forward = how.images_per_s * (1 if how.features else CHEAPER)
    learns = run.tests is None and run.network["name"] != "late_fusion"
    learnt = 0.0
    taken = 2 * STARTUP + predicted / forward
    if not learns:
        taken += watched / forward
    elif how.features:
        # Frozen branches see each image once; what learns from their features takes next to nothing.
        learnt = sizes["train"]
        taken += (learnt + watched) / forward
    else:
        learnt = run.recipe.epochs * images.epoch(run, sizes)
        taken += learnt / how.images_per_s + run.recipe.epochs * watched / forward
    size = how.parameters * BYTES if learns else 0
    return Work(1, int(learns), learnt, taken, size + 100.0 * predicted, taken)


def schedule(seconds: Mapping[str, float], parents: Mapping[str, Sequence[str]], devices: int) -> float:
    """How long runs take on so many devices, one run a device, none before its parents; the longest chains first.

    Args:
        seconds: run → what it takes.
        parents: run → runs that must be complete before it starts.
        devices: how many.
    """
    children: dict[str, list[str]] = {run: [] for run in seconds}
    for run, needed in parents.items():
        for parent in needed:
            children[parent].append(run)
    chain: dict[str, float] = {}

    def length(run: str) -> float:
        if run not in chain:
            chain[run] = seconds[run] + max((length(child) for child in children[run]), default=0.0)
        return chain[run]

    missing = {run: len(set(parents.get(run, ()))) for run in seconds}
    ready = [(-length(run), run) for run in seconds if not missing[run]]
    heapq.heapify(ready)
    busy: list[tuple[float, str]] = []
    now = 0.0
    while ready or busy:
        while ready and len(busy) < devices:
            _, run = heapq.heappop(ready)
            heapq.heappush(busy, (now + seconds[run], run))
        now, ended = heapq.heappop(busy)
        for child in set(children[ended]):
            missing[child] -= 1
            if not missing[child]:
                heapq.heappush(ready, (-length(child), child))
    return now
