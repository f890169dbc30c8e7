"""Means over the places of a grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GridPool(nn.AdaptiveAvgPool2d):
    """The mean over each place of a grid: (B, C, H, W) → (B, C, grid, grid), as `nn.AdaptiveAvgPool2d`.

    Of that, CUDA has no deterministic gradient but for a grid of 1; where one is asked for, the means are products with
    two matrices, equal but for rounding.
    """

    def forward(self, maps: Tensor) -> Tensor:  # noqa: D102
        grid = int(self.output_size)  # type: ignore[arg-type]
        if grid == 1 or not maps.is_cuda or not torch.are_deterministic_algorithms_enabled():
            return super().forward(maps)
        return by_products(maps, grid)


def by_products(maps: Tensor, grid: int) -> Tensor:
    """(B, C, H, W) → (B, C, grid, grid): the means of `nn.AdaptiveAvgPool2d`, as products with matrices."""
    rows, columns = (_means(side, grid).to(maps) for side in maps.shape[-2:])
    return rows @ maps @ columns.T


def _means(side: int, grid: int) -> Tensor:
    """(grid, side): row k averages the pixels floor(k · side / grid) to ceil((k + 1) · side / grid)."""
    rows = torch.zeros(grid, side)
    for place in range(grid):
        first, last = place * side // grid, -(-(place + 1) * side // grid)
        rows[place, first:last] = 1 / (last - first)
    return rows
