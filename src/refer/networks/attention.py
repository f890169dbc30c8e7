"""Attention over the spatial regions of a feature map (khalid2025)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from refer.networks.full_precision import in_fp32


class RegionAttention(nn.Module):
    """Learned weights over regions, computed from the image itself ("dynamic region attention").

    The paper gives no formula. With token t_r of region r (length d):

        e_r = wᵀ tanh(U t_r + c)                 score of region r
        a_r = softmax_r(e_r)  or  sigmoid(e_r)   its weight (`gate`)
        x   = Σ_r a_r t_r     or  mean_r a_r t_r

    that is, additive attention pooling (Bahdanau et al. 2015) with the regions as the sequence.
    """

    def __init__(self, width: int, gate: str = "softmax") -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, width // 2), nn.Tanh(), nn.Linear(width // 2, 1))
        self.gate = gate

    @in_fp32
    def weights(self, tokens: Tensor) -> Tensor:
        """(B, R, d) → (B, R), in 0..1; with softmax they sum to 1."""
        scores = self.score(tokens).squeeze(-1)
        return scores.softmax(dim=1) if self.gate == "softmax" else scores.sigmoid()

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, R, d) → (B, d)."""
        weighted = self.weights(tokens).unsqueeze(-1) * tokens
        return weighted.sum(dim=1) if self.gate == "softmax" else weighted.mean(dim=1)

    def weighted(self, tokens: Tensor) -> Tensor:
        """(B, R, d) → (B, R, d): tokens whose mean over the regions is what `forward` returns."""
        weights = self.weights(tokens).unsqueeze(-1)
        return tokens * (weights * tokens.shape[1] if self.gate == "softmax" else weights)


class RegionSelfAttention(nn.Module):
    """Multi-head self-attention among the regions (Vaswani et al. 2017), with residual and layer norm.

    T' = LayerNorm(T + MultiHead(T, T, T)). A learned position tells the regions apart.
    """

    def __init__(self, width: int, regions: int, heads: int) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(regions, width))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.attend = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)

    @in_fp32
    def forward(self, tokens: Tensor) -> Tensor:
        """(B, R, d) → (B, R, d)."""
        placed = tokens + self.position
        attended: Tensor = self.attend(placed, placed, placed, need_weights=False)[0]
        result: Tensor = self.norm(tokens + attended)
        return result
