"""How faces are composed on backgrounds: every range and choice of feratt2019's synthetic data, by name.

Facts come from the paper, and where it is silent from the authors' repository (pedrodiamel/ferattention and its
pytvision library); what neither settles is a choice below. Nothing here imports torch: papers may name these
options while the workflow is planned.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from refer.strict import Strict, later

Pair = Annotated[tuple[float, float], Field(strict=False)]
"""Two numbers, which YAML and JSON have as a list."""


class Composition(Strict):
    """What is drawn for each composed image, and how it is put together.

    A cut-out of 128x128 pixels is padded, scaled, flipped, turned and shifted about the middle, and warped, in
    this order; all ranges are uniform. Lengths called shares are parts of the padded side (148 pixels).

    The defaults are a plain composition. Two versions of the authors' code are written out in
    papers/feratt2019.yaml, as options of the ambiguity `version`. Left out of both: their mask is what is not black,
    closed by 7 pixels before it is worn down (here it is an outline, with a soft edge); a crop that hangs over a
    photograph's edge by up to 50 pixels is stretched; grey levels are cut off to whole ones after each step.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    size: int = Field(64, ge=8, le=512)
    """Side of the composed image in pixels."""
    pad: int = Field(10, ge=0, le=64)
    """Pixels of black around the cut-out, at a cut-out of 128."""
    flip: float = Field(0.5, ge=0, le=1)
    """Probability of a mirrored face."""
    angle: float = Field(45.0, ge=0, le=180)
    """Degrees, ±. The repository's training scripts say 30, its evaluation and the paper 45."""
    translation: float = Field(0.3, ge=0, le=1)
    """Share, ±, across and down. Training scripts: 0.2."""
    factor: float = Field(0.2, ge=0, le=0.9)
    """The scale lies in 1 ± factor. (One published version of pytvision returns the face unscaled.)"""
    warp: float = Field(0.1, ge=0, le=0.24)  # further moved corners could fold the face over
    """Share, ±. The repository's evaluation says 0.2."""
    warping: Literal["corners", "smooth"] = "corners"
    """`corners`: three corners are moved and the face follows (affine; the authors' code). `smooth`: 4x4 control
    points are moved, with a bicubic surface between them (what "warp" may also be read as)."""
    lift: float = later(0.0, ge=0, le=0.9)
    """Share of white that is added to the cut-out before it is stretched. The authors' data sets of cut-outs: 0.2.
    The lowest level is taken from it again, so that what is left is a higher divisor: less contrast."""
    erode: float = later(0.0, ge=0, le=32)
    """Pixels by which the mask is worn down all around, at a cut-out of 128. The authors' code: 3."""
    stretch: bool = True
    """Grey levels of the face (within its mask) and of the crop become (x - min) / max, as in the authors' code."""
    crop: float = Field(148 / 640, ge=0.05, le=1)
    """Side of the background's crop, a part of the photograph's shorter side; its place is drawn."""
    light: Literal["lightness", "mean", "mean and contrast", "none"] = "mean"
    """With f and b the face and the background within the mask, m their means and s their standard deviations:
    `mean` f·w; `mean and contrast` (f - m_f)·c + m_f·w; then clipped to `light_range`. w = m_b/m_f and c = s_b/s_f,
    each clipped to `light_limits`. `lightness` does what `mean` does, on CIELAB lightness, as the authors' code does:
    2 of 255 from `mean` on average, and 11 at most."""
    light_limits: Pair = (0.5, 1.5)
    """Bounds of w and c."""
    light_range: Pair = (0.1, 0.9)
    """Bounds of the lit face's grey level, 0 black and 1 white."""
    brightness: float = Field(0.25, ge=0, le=0.9)
    """The composed image (never the target) times 1 ± this; like the next two, in the share `exposed` of the images."""
    contrast: float = Field(0.25, ge=0, le=1)
    """Its distance from its mean times 1 ± this."""
    gamma: float = Field(0.25, ge=0, le=0.9)
    """Its grey level (0 to 1) to the power of 1 ± this."""
    exposed: float = later(0.5, ge=0, le=1)
    """Probability of each of the three. The authors' code of April 2019: 0.75; later it has none of them."""
    exposure: Literal["plain", "authors"] = later("plain")
    """`plain`: brightness b and contrast c are one map, b (m + c (x - m)) with the image's mean m, kept in 0 to 255.
    `authors`: one after the other, each cut off at the image's highest level; contrast is c x + 3 (1 - c) m, which
    moves the mean; the power is the inverse of 1 ± `gamma`."""
    clahe: float = later(0.0, ge=0, le=1)
    """Probability of contrast-limited histogram equalisation in 8x8 tiles, clip limit 2. The authors' code: 0.25."""
    blur: float = later(0.0, ge=0, le=1)
    """Probability of noise, then of a Gaussian window of 3, 5 or 7 pixels. The authors' code: 0.25."""
    noise: float = later(0.0, ge=0, le=1)
    """Standard deviation of that noise, a share of the range of CIELAB lightness. April 2019: 0.05, later 0.005."""
    through: float = later(0.0, ge=0, le=1)
    """Share of the size to which the composed image (never the target) is resized before it gets its `size` again;
    CLAHE and blur work on it so small. 0: none. The authors' later code: 0.75, 48 pixels of 64."""

    @model_validator(mode="after")
    def _of_some_pixels(self) -> Composition:
        if self.through and round(self.through * self.size) < 8:
            raise ValueError(f"through is {self.through}; expected 0, or 8 pixels of the size {self.size} or more")
        return self

    @property
    def frame(self) -> float:
        """Side of the padded cut-out, as a multiple of the cut-out's."""
        return (128 + 2 * self.pad) / 128
