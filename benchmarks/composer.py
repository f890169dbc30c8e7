"""How many images per second are composed: in batches, one by one with Pillow, and the resampling alone.

    python benchmarks/composer.py [--seconds 2] [--repeats 5] [--threads 1]

Cut-outs of 128x128 pixels on backgrounds of 277x277, to 64x64, batches of 128, every option at its default. `one by
one` does the same in the usual way, a function per image as a data loader would call it: an affine transform at 148x148
pixels by Pillow, light and exposure by NumPy, then down to 64x64. `resampling` is grid_sample of the face and its
mask alone, below which no batched way can come. The ways take turns; medians are shown.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from refer.datasets.outlines import masks
from refer.training.composer import Composer, Draws, draw, maps
from refer.training.composition import Composition

FACES, BACKGROUNDS, SIDE, BATCH = 512, 256, 128, 128


def one_by_one(
    face: NDArray[np.uint8], mask: NDArray[np.uint8], background: NDArray[np.uint8], draws: Draws, how: Composition
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Compose a single image; all arrays are grey, `draws` holds one image's."""
    side = SIDE + 2 * how.pad
    # Coordinates of -1 to 1 to pixels of the cut-out.
    (a, b, c), (d, e, f) = maps(draws, how.frame)[0]
    ratio, middle = SIDE / side, SIDE / 2
    matrix = (
        a * ratio, b * ratio, middle * (1 + c - a - b) + (a + b) * ratio / 2,
        d * ratio, e * ratio, middle * (1 + f - d - e) + (d + e) * ratio / 2,
    )  # fmt: skip
    inside = face[mask > 127]
    low, high = int(inside.min()), int(inside.max())
    stretched = np.clip((face.astype(np.float32) - low) / high * 255, 0, 255).astype(np.uint8)
    turned, cut = (
        np.asarray(
            Image.fromarray(layer).transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR),
            np.float32,
        )
        for layer in (stretched, mask)
    )
    cut = cut / 255
    width = round(how.crop * background.shape[0])
    top, left = (np.floor(draws.place[0] * (background.shape[0] - width + 1))).astype(int)
    crop = Image.fromarray(background[top : top + width, left : left + width]).resize((side, side))
    scene = np.asarray(crop, np.float32)
    scene = (scene - scene.min()) / max(scene.max(), 1) * 255
    area = max(cut.sum(), 1)
    gain = np.clip((scene * cut).sum() / max((turned * cut).sum(), area), *how.light_limits)
    lit = np.clip(turned * gain, 255 * how.light_range[0], 255 * how.light_range[1])
    image = scene * (1 - cut) + lit * cut
    brightness, contrast, gamma = draws.light[0]
    mean = image.mean()
    image = np.clip(brightness * ((image - mean) * contrast + mean), 0, 255)
    image = 255 * (image / 255) ** gamma
    small = [
        np.asarray(Image.fromarray(layer).resize((how.size, how.size), Image.Resampling.BILINEAR), np.float32)
        for layer in (image.astype(np.float32), (turned * cut).astype(np.float32), cut.astype(np.float32))
    ]
    return small[0], small[1], small[2]


def pictures(count: int, side: int, seed: int) -> torch.Tensor:
    """Smooth noise (count, 1, side, side) uint8: how long composing takes does not depend on what is shown."""
    coarse = torch.rand(count, 1, 12, 12, generator=torch.Generator().manual_seed(seed)) * 255
    return functional.interpolate(coarse, side, mode="bicubic").clamp(0, 255).to(torch.uint8)


def ways(device: str) -> dict[str, Callable[[int], None]]:
    """Functions that each compose the batch of this number."""
    how = Composition()
    faces, backgrounds = pictures(FACES, SIDE, 0), pictures(BACKGROUNDS, 277, 1)
    shapes = torch.from_numpy(masks([None] * FACES, SIDE))[:, None]
    composer = Composer(faces.to(device), shapes.to(device), backgrounds.to(device), how)
    rows = torch.randint(FACES, (BATCH,), generator=torch.Generator().manual_seed(2)).to(device)
    numeric, _ = composer._sent(draws := draw(how, 0, np.arange(BATCH), BACKGROUNDS))
    grid = composer._grid(numeric[:, :6].view(-1, 2, 3), draws)
    layers = composer.faces[rows].float()
    apart = [image[0].numpy() for image in faces], [mask[0].numpy() for mask in shapes]

    def batched(number: int) -> None:
        composer(rows, 0, np.arange(number * BATCH, (number + 1) * BATCH))
        if device != "cpu":
            torch.cuda.synchronize()

    def resampling(number: int) -> None:
        functional.grid_sample(layers, grid, align_corners=False)
        if device != "cpu":
            torch.cuda.synchronize()

    def single(number: int) -> None:
        draws = draw(how, 0, np.arange(number * BATCH, (number + 1) * BATCH), BACKGROUNDS)
        for place, row in enumerate(rows.tolist()):
            drawn = Draws(*(values[place : place + 1] for values in draws))
            one_by_one(apart[0][row], apart[1][row], backgrounds[int(drawn.background[0]), 0].numpy(), drawn, how)

    return {"batched": batched, "resampling": resampling} | ({"one by one": single} if device == "cpu" else {})


def rate(way: Callable[[int], None], seconds: float) -> float:
    """Images per second."""
    batches, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        way(batches)
        batches += 1
    return batches * BATCH / (time.perf_counter() - began)


def main() -> None:
    """Measure every way in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    devices = ["cpu"] + ["cuda"] * torch.cuda.is_available()
    found: dict[tuple[str, str], list[float]] = {}
    measured = {(device, name): way for device in devices for name, way in ways(device).items()}
    for way in measured.values():
        way(0)  # the first one allocates and chooses kernels
    for _ in range(given.repeats):
        for cell, way in measured.items():
            found.setdefault(cell, []).append(rate(way, given.seconds))
    print(f"images/s, median of {given.repeats}; {given.threads} thread(s), torch {torch.__version__}, ", end="")
    print(f"Python {platform.python_version()}\n")
    print("| device | way | images/s | batched is |\n|---|---|---:|---:|")
    for (device, name), rates in found.items():
        times = statistics.median(found[device, "batched"]) / statistics.median(rates)
        print(f"| {device} | {name} | {statistics.median(rates):,.0f} | {times:.2f} times as fast |")


if __name__ == "__main__":
    main()
