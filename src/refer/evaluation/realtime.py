"""How long one face takes on this machine: khalid2025 calls its framework real-time, and gives no number."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from time import perf_counter, perf_counter_ns, process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from refer import files
from refer.datasets.catalog import dataset
from refer.datasets.decode import Recipe
from refer.errors import UserError
from refer.evaluation.trained import load_trained
from refer.live import optional
from refer.live.faces import SMALLEST, Finder, cropped
from refer.networks import catalog
from refer.networks.weights import portable
from refer.training.environment import choose_device, describe_device, versions

SCOPE = (
    "from a cropped and decoded face (uint8, in the host's memory) to the probabilities of its classes (there again): "
    "copying, resizing, scaling, network, softmax; without camera, decoding, finding the face, and display"
)
FRAME = (640, 480)
"""Width and height of a camera's usual picture."""
BATCH = 32
"""Faces that are judged at once where throughput is measured."""
LEAST, MOST = 20, 5_000
"""Repetitions: with fewer, the 5th and 95th percentiles are the extremes; more say nothing new."""
LEAST_OF_BATCHES = 5
"""Of `BATCH` faces at once, of which only the median is told."""
WARM_UP = 5
"""Calls, at least, before the first that counts: they allocate memory and choose kernels."""


@torch.inference_mode()
def measure_latency(
    checkpoint_path: Path,
    out: Path,
    *,
    preset: str = "",
    device: str = "auto",
    threads: int = 1,
    seconds: float = 2.0,
) -> None:
    """Write realtime.json: how long a trained network takes for one face, and for `BATCH` at once.

    Each is timed by itself and after a warm-up: the way of one face as `SCOPE` says, the network alone on a face that
    is ready for it, the way of `BATCH` faces at once, and what comes before it in a camera's picture, where OpenCV is
    installed: finding the face, and cutting it out. The faces are noise of the size of the prepared images: what they
    show makes no difference to the time. How many cores other programs kept busy meanwhile is written down too: as
    threads wait for each other, a network that takes 1.4 ms on one thread was seen to take 290 ms on two where other
    programs were using the two cores as well.

    Args:
        checkpoint_path: of the run.
        out: the JSON file.
        preset: goes into it.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: of the CPU.
        seconds: for each, to which a quarter comes for the warm-up; a slow network takes longer,
            for at least `LEAST` repetitions are made, or `LEAST_OF_BATCHES`.

    Raises:
        UserError: no such device, or no checkpoint.
    """
    torch.set_num_threads(threads)
    where = choose_device(device)
    run, network, reader, _ = load_trained(checkpoint_path, where)
    shape = dataset(run.dataset).shape
    noise = np.random.default_rng(0)
    many = [noise.integers(0, 256, (BATCH, *shape), dtype=np.uint8) for _ in run.inputs]
    one = [faces[:1] for faces in many]
    ready = [reader(_sent(faces, where)) for faces in one]

    def judge(pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        logits = network(*(reader(_sent(faces, where)) for faces in pictures))
        probabilities: NDArray[np.float32] = logits.float().softmax(dim=1).cpu().numpy()
        return probabilities

    def alone() -> None:
        network(*ready)

    def summary(work: Callable[[], object], images: int = 1, least: int = LEAST) -> dict[str, float]:
        return summarised(timings(work, _waiting(where), seconds, least), images)

    others = Others()
    measured = {
        "one_face": summary(lambda: judge(one)),
        "network_alone": summary(alone),
        "batch": {"size": BATCH, **summary(lambda: judge(many), BATCH, LEAST_OF_BATCHES)},
        "picture": _picture(Recipe(shape, resize=True), threads, seconds)
        if len(run.inputs) == 1
        else {"missing": "networks of two pictures of a face were not asked"},
    }
    files.write_json(
        out,
        {
            "scope": SCOPE,
            "preset": preset,
            **{
                key: getattr(run, key)
                for key in ("paper", "dataset", "data", "protocol", "method", "seed", "fold", "stand_in", "inputs")
            },
            "network": portable(run.network),
            "backbones": catalog.backbones_of(run.network),
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "reads_batch": bool(getattr(network, "reads_batch", False)),
            "face": list(shape),
            "image_size": run.recipe.image_size,
            **measured,
            "other_work": others.cores(),
            **describe_device(where, threads),
            "precision": "fp32",
            "versions": versions(),
            "checkpoint_sha256": files.sha256(checkpoint_path),
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )


def _picture(recipe: Recipe, threads: int, seconds: float) -> dict[str, Any]:
    """Time finding and cutting out the face of a camera's picture.

    Returns:
        What the picture is, and `detection` and `crop` as `summarised`; or `missing`, the line that says what is not
        installed.
    """
    try:
        found = _finding(threads, seconds)
    except UserError as error:
        return {"missing": str(error)}
    picture, boxes = camera_picture(), found["boxes"]
    crop = summarised(timings(lambda: cropped(picture, boxes, recipe), lambda: None, seconds))
    return {**found, "crop": crop}


@cache
def _finding(threads: int, seconds: float) -> dict[str, Any]:
    """Time finding a face, once for all networks."""
    finder, cv2 = Finder(), optional("cv2", "live")
    cv2.setNumThreads(threads)
    picture = camera_picture()
    taken = timings(lambda: finder(picture), lambda: None, seconds)
    return {"size": list(picture.size), "smallest_face": SMALLEST, "boxes": finder(picture),
            "opencv": str(cv2.__version__), "detection": summarised(taken)}  # fmt: skip


def camera_picture() -> Image.Image:
    """Return a picture of `FRAME` pixels, RGB, with one face: Matplotlib's sample photograph, in the public domain."""
    from matplotlib.cbook import get_sample_data

    portrait = Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
    portrait = portrait.resize((portrait.width * FRAME[1] // portrait.height, FRAME[1]))
    picture = Image.new("RGB", FRAME, (127, 127, 127))
    picture.paste(portrait, ((FRAME[0] - portrait.width) // 2, 0))
    return picture


class Others:
    """How busy other programs keep the machine, from now on."""

    def __init__(self) -> None:
        self.start = (perf_counter(), process_time(), _busy_seconds())

    def cores(self) -> float | None:
        """Return the cores that were busy with something else on average; None where the system does not tell."""
        began, own, busy = self.start
        now = _busy_seconds()
        if busy is None or now is None:
            return None
        other = (now - busy) - (process_time() - own)
        return max(0.0, round(other / (perf_counter() - began), 2))


def timings(
    work: Callable[[], object], wait: Callable[[], None], seconds: float, least: int = LEAST
) -> NDArray[np.float64]:
    """Time `work` again and again for so many seconds, after a warm-up of a quarter of them.

    Unlike torch.utils.benchmark it times every call by itself: a mean over blocks of calls has no percentiles.

    Args:
        work: what is timed.
        wait: returns when the device has done all that it was given.
        seconds: the time to spend; `least` and `MOST` bound the repetitions.
        least: repetitions, however long they take.

    Returns:
        Milliseconds of each repetition.
    """
    _repeat(work, wait, seconds / 4, WARM_UP)
    return _repeat(work, wait, seconds, least)


def summarised(milliseconds: NDArray[np.float64], images: int = 1) -> dict[str, float]:
    """Return percentiles of the latency, and the frames per second at its median."""
    low, middle, high = (float(value) for value in np.percentile(milliseconds, (5, 50, 95)))
    return {
        "median_ms": middle,
        "p5_ms": low,
        "p95_ms": high,
        "repeats": len(milliseconds),
        "frames_per_s": images * 1000 / middle,
    }


def _repeat(work: Callable[[], object], wait: Callable[[], None], seconds: float, least: int) -> NDArray[np.float64]:
    taken: list[float] = []
    end = perf_counter() + seconds
    wait()
    while len(taken) < least or (len(taken) < MOST and perf_counter() < end):
        began = perf_counter_ns()
        work()
        wait()
        taken.append((perf_counter_ns() - began) / 1e6)
    return np.array(taken)


def _busy_seconds() -> float | None:
    """Seconds that all cores together have been busy since the machine was started; Linux only."""
    try:
        ticks = [int(word) for word in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    user, nice, system, _, _, *interrupts = ticks  # without those idle and those waiting for a disk
    return sum((user, nice, system, *interrupts)) / os.sysconf("SC_CLK_TCK")


def _sent(faces: NDArray[np.uint8], where: torch.device) -> torch.Tensor:
    """(B, H, W, C) of the host → (B, C, H, W) on the device."""
    return torch.from_numpy(faces).permute(0, 3, 1, 2).to(where)


def _waiting(where: torch.device) -> Callable[[], None]:
    """What returns when the device is idle; kernels are started long before they end."""
    if where.type == "cpu":
        return lambda: None
    synchronise: Callable[[], None] = getattr(torch, where.type).synchronize
    return synchronise
