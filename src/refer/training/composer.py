"""Faces composed on backgrounds: feratt2019's synthetic images, made in batches on the device as they are needed.

    composer = Composer(faces, masks, backgrounds, Composition())
    image, target, mask = composer(rows, seed, numbers)

What can be done once is done once: faces are made grey, cut out and brought near the output's resolution,
backgrounds to exactly that resolution. What is left for every image is one resampling of the face with its mask,
a copy of the background's crop, and a few passes over the pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from refer import parquet
from refer.datasets.outlines import masks as masks_of
from refer.errors import UserError
from refer.training.augment import affine_grid_of, axes_of, exposed, gaussians, stacked, uniforms
from refer.training.composition import Composition
from refer.training.data import LUMA, constant, sent
from refer.training.filters import blurred, equalised, grey_of, lightness

CHUNK = 256
"""Images that are prepared at once."""
NOISE = 1 << 41
"""Added to a seed, so that the noise of an image is not what it is composed by."""
CONTROL = 4
"""Control points of a smooth warp, along each side."""
WARPED = 21
"""Place in an image's stream where the numbers of its smooth warp begin."""
FILTERED = WARPED + 2 * CONTROL**2
"""Place where those of its filters begin: whether CLAHE, whether blur, and which window."""


class Draws(NamedTuple):
    """What was drawn for B images; see `Composition` for the ranges."""

    flip: NDArray[np.bool_]  # (B,)
    angle: NDArray[np.float64]  # (B,) degrees
    scale: NDArray[np.float64]  # (B,)
    shift: NDArray[np.float64]  # (B, 2) x and y, shares of the padded side
    corners: NDArray[np.float64]  # (B, 3, 2) x and y of the upper left, lower left, upper right corner, shares
    control: NDArray[np.float64]  # (B, 2, CONTROL, CONTROL) x and y of the smooth warp, shares
    background: NDArray[np.int64]  # (B,)
    place: NDArray[np.float64]  # (B, 2) row and column of the crop, 0 to below 1 of the room there is
    light: NDArray[np.float64]  # (B, 3) factors of brightness and contrast, and the exponent gamma
    equalised: NDArray[np.bool_]  # (B,) whether by CLAHE
    window: NDArray[np.int64]  # (B,) side of the Gaussian window in pixels, 0 for no blur


class Composed(NamedTuple):
    """Composed images (B, 1, size, size), grey, 0 to 255; networks of three channels see the one three times."""

    image: Tensor
    """x_img: the lit face on a background."""
    target: Tensor
    """x_org: the same face, not lit, on black."""
    mask: Tensor
    """Where the face is: 0 to 1, with a soft edge."""


def draw(how: Composition, seed: int, numbers: ArrayLike, backgrounds: int) -> Draws:
    """Draw what `how` asks for, for the images called `numbers`, with so many backgrounds to choose from."""
    smooth, filtered = how.warping == "smooth", how.clahe > 0 or how.blur > 0
    # A number's place in the stream never depends on the options, so that changing one leaves the others' draws.
    u = uniforms(seed, numbers, FILTERED + 3 if filtered else WARPED + (2 * CONTROL**2 if smooth else 0))
    both = 2 * u - 1
    size = len(u)
    corners = np.zeros((size, 3, 2)) if smooth else how.warp * both[:, 5:11].reshape(size, 3, 2)
    control = np.zeros((size, 2, CONTROL, CONTROL))
    if smooth:
        control = how.warp * both[:, WARPED:FILTERED].reshape(control.shape)
    equalised, window = np.zeros(size, bool), np.zeros(size, np.int64)
    if filtered:
        chosen = u[:, FILTERED:]
        equalised = chosen[:, 0] < how.clahe
        window = np.where(chosen[:, 1] < how.blur, 3 + 2 * (3 * chosen[:, 2]).astype(np.int64), 0)
    spread = np.array([how.brightness, how.contrast, how.gamma])
    return Draws(
        flip=u[:, 0] < how.flip,
        angle=how.angle * both[:, 1],
        scale=1 + how.factor * both[:, 2],
        shift=how.translation * both[:, 3:5],
        corners=corners,
        control=control,
        background=(u[:, 11] * backgrounds).astype(np.int64),
        place=u[:, 12:14],
        light=1 + np.where(u[:, 14:17] < how.exposed, spread * both[:, 17:20], 0.0),
        equalised=equalised,
        window=window,
    )


def maps(draws: Draws, frame: float) -> NDArray[np.float64]:
    """Return (B, 2, 3): where in the cut-out a point of the composed image lies, both in coordinates -1 to 1.

    `frame` is the padded side as a multiple of the cut-out's (`Composition.frame`).
    """
    angle, mirror = np.deg2rad(draws.angle), np.where(draws.flip, -1.0, 1.0)
    cos, sin = np.cos(angle) * draws.scale, np.sin(angle) * draws.scale
    # From the padded cut-out onwards; a side is 2 long.
    placed = stacked(cos * mirror, -sin, sin * mirror, cos, *(2 * draws.shift.T))
    upper_left, lower_left, upper_right = (2 * draws.corners[:, corner].T for corner in range(3))
    across, down = (upper_right - upper_left) / 2, (lower_left - upper_left) / 2
    rest = upper_left + across + down  # so that the corner (-1, -1) moves by upper_left
    warped = stacked(1 + across[0], down[0], across[1], 1 + down[1], *rest)
    back = frame * np.linalg.inv(warped @ placed)[:, :2]
    return back.astype(np.float64)


class Composer:
    """Composes faces on backgrounds that lie on one device."""

    def __init__(self, faces: Tensor, masks: Tensor, backgrounds: Tensor, how: Composition | None = None) -> None:
        """Prepare what all images share.

        Args:
            faces: (N, 1 or 3, H, H) uint8, upright and tightly cropped; their device is where all work is done.
            masks: (N, 1, H, H) uint8, 255 on the face.
            backgrounds: (M, 1 or 3, G, W) uint8, as wide as high or wider; sharp at a height of
                `how.size / how.crop` (277) pixels or more.
            how: what is drawn, and how it is put together.

        Raises:
            ValueError: shapes that do not fit each other.
        """
        if faces.shape[0] != masks.shape[0] or faces.shape[2:] != masks.shape[2:]:
            raise ValueError(f"faces are {tuple(faces.shape)} and masks {tuple(masks.shape)}: one mask for each face")
        self.how = how or Composition()
        self.device = faces.device
        self.faces = _cut_out(faces, masks.to(self.device), self.how)
        side = max(self.how.size, round(self.how.size / self.how.crop))
        self.scenes = _at_side(backgrounds.to(self.device), side)
        self._axes = axes_of(self.how.size, self.device)
        self._lines = torch.arange(self.how.size, device=self.device)

    def __len__(self) -> int:
        return len(self.faces)

    @torch.no_grad()
    def __call__(self, rows: Tensor, seed: int, numbers: ArrayLike) -> Composed:
        """Compose one image for each of `rows`.

        Args:
            rows: (B,) int64, which faces, on the device.
            seed: of the training, or of the test set.
            numbers: (B,) on the host: each image's number in the training (or the test set), from 0. Seed, number
                and face decide an image, whatever else is in the batch: to the bit on one CPU thread or two, to
                the last place of a float on more, which round the ends of their shares otherwise.
        """
        draws = draw(self.how, seed, numbers, len(self.scenes))
        numeric, crops = self._sent(draws)
        layers = self.faces.index_select(0, rows).float()
        grid = self._grid(numeric[:, :6].view(-1, 2, 3), draws)
        warped = functional.grid_sample(layers, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        target, mask = warped[:, :1], warped[:, 1:].mul_(1 / 255)
        image = self._crop(*crops)
        lit = self._lit(target, mask, image)
        image.lerp_(lit, mask)
        expose = self._exposed if self.how.exposure == "plain" else self._exposed_in_turn
        if self.how.through:
            image = _resized(image, round(self.how.through * self.how.size))
        image = self._filtered(expose(image, numeric[:, 6:9], draws), draws, seed, np.asarray(numbers))
        return Composed(_resized(image, self.how.size) if self.how.through else image, target, mask)

    def _sent(self, draws: Draws) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Copy to the device, at one go, the maps and factors (B, 9), and the background, row and column of crops."""
        room = np.array(self.scenes.shape[-2:]) - self.how.size + 1
        columns = [
            maps(draws, self.how.frame).reshape(-1, 6),
            draws.light,
            draws.background[:, None],
            np.floor(draws.place * room),
        ]
        table = sent(np.concatenate(columns, axis=1).astype(np.float32), self.device)
        background, top, left = table[:, 9:].long().unbind(1)
        return table, (background, top, left)

    def _grid(self, maps: Tensor, draws: Draws) -> Tensor:
        """Return where each pixel of the output lies in the cut-out: (B, size, size, 2)."""
        x, y = self._axes
        if self.how.warping == "smooth":
            control = sent(2 * draws.control.astype(np.float32), self.device)
            moved = functional.interpolate(control, self.how.size, mode="bicubic", align_corners=True)
            x, y = x - moved[:, 0], y - moved[:, 1]
        return affine_grid_of(maps, x, y)

    def _crop(self, background: Tensor, top: Tensor, left: Tensor) -> Tensor:
        """Copy crops out of the backgrounds: (B, 1, size, size) float, stretched if so wanted."""
        (high, wide), size = self.scenes.shape[-2:], self.how.size
        # A line of a crop is a run of bytes, and a view of all runs can be selected from faster than pixels can.
        runs = self.scenes.as_strided((self.scenes.numel() - size + 1, size), (1, 1))
        starts = ((background * high + top) * wide + left)[:, None] + wide * self._lines
        crops = runs.index_select(0, starts.flatten()).view(-1, 1, size, size)
        if not self.how.stretch:
            return crops.float()
        low = crops.amin((2, 3), keepdim=True).float()
        gain = 255 / crops.amax((2, 3), keepdim=True).float().clamp_min(1)
        return (crops - low).mul_(gain)

    def _lit(self, target: Tensor, mask: Tensor, scene: Tensor) -> Tensor:
        """Give the face the light of what it will cover; see `Composition.light`."""
        # The target is the face times its mask; a pixel without mask has no face, and is not seen either.
        face = target / mask.clamp_min(1 / 255)
        how = self.how
        if how.light == "none":
            return face
        area = mask.sum((2, 3), keepdim=True).clamp_min(1)
        if how.light == "lightness":
            mine = lightness(face)
            mean, around = ((values * mask).sum((2, 3), keepdim=True) / area for values in (mine, lightness(scene)))
            gain = (around / mean.clamp_min(1e-3)).clamp(*how.light_limits)
            return grey_of(mine.mul_(gain).clamp_(*(100 * bound for bound in how.light_range)))
        mean = target.sum((2, 3), keepdim=True) / area
        around = (scene * mask).sum((2, 3), keepdim=True) / area
        gain = (around / mean.clamp_min(1)).clamp(*how.light_limits)
        if how.light == "mean":
            face = face.mul_(gain)
        else:
            spread = ((face - mean).square() * mask).sum((2, 3), keepdim=True)
            wanted = ((scene - around).square() * mask).sum((2, 3), keepdim=True)
            contrast = (wanted / spread.clamp_min(1)).sqrt().clamp(*how.light_limits)
            face = (face - mean).mul_(contrast).add_(mean * gain)
        return face.clamp_(*(255 * bound for bound in how.light_range))

    def _exposed(self, image: Tensor, factors: Tensor, draws: Draws) -> Tensor:
        """Change brightness, contrast and gamma, by factors (B, 3); `draws` holds the same on the host."""
        if self.how.brightness or self.how.contrast:
            brightness, contrast, _ = factors.view(-1, 3, 1, 1, 1).unbind(1)
            image = exposed(image, brightness, contrast, image.mean((2, 3), keepdim=True))
        if self.how.gamma:
            # Powers are dear, pow itself three times as much as this, and half of the images want none.
            chosen = sent(np.flatnonzero(draws.light[:, 2] != 1), self.device)
            gamma = factors[:, 2].index_select(0, chosen).view(-1, 1, 1, 1)
            part = image.index_select(0, chosen).mul_(1 / 255).log2_().mul_(gamma).exp2_().mul_(255)
            image.index_copy_(0, chosen, part)
        return image

    def _exposed_in_turn(self, image: Tensor, factors: Tensor, draws: Draws) -> Tensor:
        """Do the same as the authors' code does it; see `Composition.exposure`."""
        brightness, contrast, gamma = factors.view(-1, 3, 1, 1, 1).unbind(1)
        image = (image * brightness).minimum(image.amax((2, 3), keepdim=True))
        moved = contrast * image + 3 * (1 - contrast) * image.mean((2, 3), keepdim=True)
        image = moved.minimum(image.amax((2, 3), keepdim=True)).clamp_(0, 255)
        return (image / 255).log2_().mul_(1 / gamma).exp2_().mul_(255)

    def _filtered(self, image: Tensor, draws: Draws, seed: int, numbers: NDArray[np.int64]) -> Tensor:
        """Equalise some of the images, then blur some, with noise before; see `Composition.clahe` and `blur`."""
        if (chosen := np.flatnonzero(draws.equalised)).size:
            where = sent(chosen, self.device)
            image.index_copy_(0, where, equalised(image.index_select(0, where)))
        for side in sorted(set(draws.window[draws.window > 0].tolist())):
            chosen = np.flatnonzero(draws.window == side)
            where = sent(chosen, self.device)
            part = image.index_select(0, where)
            if self.how.noise:
                drawn = gaussians(seed + NOISE, numbers[chosen], part[0].numel()).astype(np.float32)
                noisy = lightness(part).add_(sent(100 * self.how.noise * drawn, self.device).view_as(part))
                part = grey_of(noisy.clamp_(0, 100))
            image.index_copy_(0, where, blurred(part, side))
        return image


def composed_set(composer: Composer, count: int, seed: int) -> tuple[Composed, Tensor]:
    """Compose a set that stays the same: image i shows face i modulo their number, as the authors' evaluation does.

    Returns:
        The images as uint8 0 to 255 (the mask too), and which faces they show: (count,) int64.
    """
    rows = torch.arange(count, device=composer.device) % len(composer)
    parts: list[list[Tensor]] = [[], [], []]
    for start in range(0, count, CHUNK):
        image, target, mask = composer(rows[start : start + CHUNK], seed, np.arange(start, min(start + CHUNK, count)))
        for part, pixels in zip(parts, (image, target, 255 * mask), strict=True):
            part.append(pixels.round_().to(torch.uint8))
    return Composed(*(torch.cat(part) for part in parts)), rows


def load_composer(
    prepared: Path, backgrounds: Path, rows: NDArray[np.int64], how: Composition, device: torch.device
) -> Composer:
    """Make a composer of prepared images, cut out along their outlines, and prepared backgrounds.

    Args:
        prepared: folder of images.npy and index.parquet; square images.
        backgrounds: folder of backgrounds.npy.
        rows: (N,) which prepared images, in this order.
        how: what is drawn, and how it is put together.
        device: where all of it is to lie.

    Raises:
        UserError: something is missing, or the images are no squares.
    """
    images = np.load(prepared / "images.npy", mmap_mode="r")
    if images.shape[1] != images.shape[2]:
        raise UserError(f"{prepared}: images of {images.shape[1]}x{images.shape[2]} pixels; only squares are composed.")
    index = parquet.frame(prepared / "index.parquet")
    outlines = index["outline"].iloc[rows].tolist() if "outline" in index else [None] * len(rows)
    masks = torch.from_numpy(masks_of(outlines, images.shape[1]))[:, None]
    faces = torch.from_numpy(images[rows]).permute(0, 3, 1, 2).contiguous()
    return Composer(faces.to(device), masks.to(device), load_backgrounds(backgrounds, device), how)


def load_backgrounds(folder: Path, device: torch.device) -> Tensor:
    """Copy prepared backgrounds to the device, in grey: (M, 1, G, G) uint8.

    Raises:
        UserError: there are none.
    """
    path = folder / "backgrounds.npy"
    if not path.is_file():
        raise UserError(f"{path}: missing; expected packed backgrounds. Prepare them first.")
    pixels = np.load(path)
    grey = [_grey(part) for part in torch.from_numpy(pixels).permute(0, 3, 1, 2).split(CHUNK)]
    return torch.cat(grey).round_().to(torch.uint8).to(device)


def _grey(images: Tensor) -> Tensor:
    """(B, 1 or 3, H, W) of 0 to 255 → (B, 1, H, W) float."""
    if images.shape[1] == 1:
        return images.float()
    return (images.float() * constant(LUMA, images.device)).sum(1, keepdim=True)


def _resized(images: Tensor, side: int) -> Tensor:
    """(B, 1, H, H) → (B, 1, side, side), by the four nearest pixels, as OpenCV and the authors' code do it."""
    return functional.interpolate(images, (side, side), mode="bilinear", align_corners=False)


def _worn(masks: Tensor, pixels: int) -> Tensor:
    """(B, 1, H, H) masks without what lies less than so many pixels from their edge; outside the cut-out is no face."""
    padded = functional.pad(masks, (pixels, pixels, pixels, pixels))
    return -functional.max_pool2d(-padded, 2 * pixels + 1, stride=1)


def _cut_out(faces: Tensor, masks: Tensor, how: Composition) -> Tensor:
    """Return faces times their masks, and the masks: (N, 2, h, h) uint8.

    Faces are lifted and stretched by what the whole masks hold, then the masks are worn down, as in the authors' code.
    Where the cut-out is some times finer than the output, that many pixels are averaged: a resampling that takes
    four neighbours only would skip the others. Faces are multiplied by their masks first, so that nothing of what
    was around them is averaged in.
    """
    finer = max(1, int(faces.shape[-1] * how.frame / how.size))
    cut: list[Tensor] = []
    for face, mask in zip(faces.split(CHUNK), masks.split(CHUNK), strict=True):
        grey, alpha = _grey(face), mask.float() / 255
        if how.lift:
            grey = (grey + 255 * how.lift).clamp_(max=255)
        if how.stretch:
            inside = alpha >= 0.5
            low = grey.masked_fill(~inside, 255).amin((2, 3), keepdim=True)
            high = grey.masked_fill(~inside, 0).amax((2, 3), keepdim=True)
            grey = ((grey - low) * (255 / high.clamp_min(1))).clamp(0, 255)
        if worn := round(how.erode * faces.shape[-1] / 128):
            alpha = _worn(alpha, worn)
        layers = torch.cat((grey * alpha, 255 * alpha), dim=1)
        cut.append(functional.avg_pool2d(layers, finer).round_().to(torch.uint8))
    return torch.cat(cut)


def _at_side(backgrounds: Tensor, side: int) -> Tensor:
    """Return backgrounds in grey, resized to a height of `side`: (M, 1, side, W) uint8."""
    done = []
    wide = round(side * backgrounds.shape[-1] / backgrounds.shape[-2])
    for part in backgrounds.split(CHUNK):
        grey = _grey(part)
        if grey.shape[-1] != wide or grey.shape[-2] != side:
            grey = functional.interpolate(grey, (side, wide), mode="bilinear", antialias=True, align_corners=False)
        done.append(grey.round_().clamp_(0, 255).to(torch.uint8))
    return torch.cat(done).contiguous()


def composed_examples(
    prepared: Path, backgrounds: Path, how: Composition, draws: int = 2, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], list[str]]:
    """Compose one face of each class a few times, for a figure.

    Args:
        prepared: folder of the prepared images.
        backgrounds: folder of backgrounds.npy.
        how: what is drawn, and how it is put together.
        draws: how often each face is composed.
        seed: of the draws.

    Returns:
        For n classes and k draws: the cut-outs (n, H, H[, 3]), their masks (n, H, H), the composed images and their
        targets (k, n, size, size), all uint8, and the names of the classes.
    """
    index = parquet.frame(prepared / "index.parquet")
    # The strongest expression that there is, of as many people as there are classes.
    ranked = index.sort_values(["label", "level"], ascending=[True, False], kind="stable")
    found = [group.index for _, group in ranked.groupby("label", sort=True)]
    rows = np.array([each[number % len(each)] for number, each in enumerate(found)], np.int64)
    composer = load_composer(prepared, backgrounds, rows, how, torch.device("cpu"))
    made, _ = composed_set(composer, draws * len(rows), seed)
    images, targets = (each.view(draws, len(rows), *each.shape[-2:]).numpy() for each in (made.image, made.target))
    cut_outs = np.load(prepared / "images.npy", mmap_mode="r")[rows]
    outlines = index["outline"].iloc[rows].tolist() if "outline" in index else [None] * len(rows)
    masks = masks_of(outlines, cut_outs.shape[1])
    return (
        cut_outs.squeeze(-1) if cut_outs.shape[-1] == 1 else cut_outs,
        masks,
        images,
        targets,
        list(index["class"].iloc[rows]),
    )
