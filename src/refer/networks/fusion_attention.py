"""tran2023: two features that attend to one another ("fusion attention")."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from refer.errors import UserError
from refer.networks.classifier import Extractor
from refer.networks.full_precision import in_fp32
from refer.networks.options import FusionAttentionOptions
from refer.networks.two_branches import Matched, TwoBranchNet, classifier_head, extractors, vector_grids


@in_fp32
def attend(query: Tensor, key: Tensor, value: Tensor, scale: float, product: str = "after") -> Tensor:
    """Formula 1 of the paper: softmax(Q Kᵀ / scale) V ⊗ V, where ⊗ is element by element.

    Nothing says what goes first: (softmax V) ⊗ V, product `after`, or softmax (V ⊗ V), product `before`.

    Args:
        query: (…, T, d) T tokens of length d.
        key: (…, T, d).
        value: (…, T, d).
        scale: √d_K, or the number of images, for the text "divided by the batch".
        product: `after` or `before` the mean over tokens.

    Returns:
        (…, T, d).
    """
    weights = (query @ key.transpose(-1, -2) / scale).softmax(dim=-1)
    return weights @ (value * value) if product == "before" else (weights @ value) * value


class Value(nn.Module):
    """The mean of both features and of what an MLP makes of them.

        m = MLP([a, b])          linear 2d → hidden, ReLU, linear hidden → d
        V = (a + b + m) / 3      without the MLP: (a + b) / 2

    787,456 parameters at d = hidden = 512.
    """

    def __init__(self, width: int, hidden: int, mlp: bool) -> None:
        super().__init__()
        layers = (nn.Linear(2 * width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.mlp = nn.Sequential(*layers) if mlp else None

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """(…, d), (…, d) → (…, d)."""
        if self.mlp is None:
            return (a + b) / 2
        mixed: Tensor = self.mlp(torch.cat((a, b), dim=-1))
        return (a + b + mixed) / 3


class LocalAttention(nn.Module):
    """Linear layers about a convolution along the feature, and the feature itself added.

    The paper names the layers, not their order or sizes. With k the taps along the d numbers of a feature:

        h = W₂ ReLU(k * (W₁ x))         order `linear-conv-linear`
        h = k * ReLU(W₁ x)              order `linear-conv`
        h = W₂ ReLU(k * x)              order `conv-linear`
        y = x + h                       or, as a gate, y = x + x ∘ σ(h); without the residual, x + is left out

    525,316 parameters at d = 512 with both linear layers and 3 taps.
    """

    def __init__(
        self, width: int, residual: bool, gate: bool = False, order: str = "linear-conv-linear", kernel: int = 3
    ) -> None:
        super().__init__()
        self.before = nn.Identity() if order == "conv-linear" else nn.Linear(width, width)
        self.convolve = nn.Conv1d(1, 1, kernel, padding=kernel // 2)
        self.after = nn.Identity() if order == "linear-conv" else nn.Linear(width, width)
        self.residual = residual
        self.gate = gate
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        """(B, d) → (B, d)."""
        h = self.before(x)
        h = self.convolve((h.relu() if self.order == "linear-conv" else h).unsqueeze(1)).squeeze(1)
        y: Tensor = self.after(h if self.order == "linear-conv" else h.relu())
        if self.gate:
            y = x * y.sigmoid()
        return x + y if self.residual else y


class FusionAttention(nn.Module):
    """Value → [self-attention with Q = a, K = b, or the other way round] → [local attention].

    The paper multiplies Q by Kᵀ as if each were a list of tokens, but has one vector of each for an image. What
    the tokens are can be read in three ways (`tokens`):

        batch      the images of a batch: Q Kᵀ is B x B. What softmax(Q @ K.T / √d) @ V does to two matrices of
                   features, and the only reading in which the text's "divided by the batch" has a meaning.
        channels   the d numbers of a feature: Q Kᵀ is d x d for each image.
        positions  the places of a feature map: Q Kᵀ is P x P for each image; their mean is the feature.

    With `batch`, the prediction for an image depends on which images stand in its batch, test images included:
    a leak between them that no table of accuracies shows.

    With s the self-attention and l the local one, the result is l(s(V)), or with `attentions` side by side s(V) + l(V);
    with `skip`, s(V) + V takes the place of s(V).
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        tokens: str,
        scale: str,
        mlp: bool,
        self_attention: bool,
        local_attention: bool,
        residual: bool,
        *,
        query: str = "first",
        product: str = "after",
        skip: bool = False,
        beside: bool = False,
        gate: bool = False,
        order: str = "linear-conv-linear",
        kernel: int = 3,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.scale = scale
        self.query = query
        self.product = product
        self.skip = skip
        self.beside = beside
        self.value = Value(width, hidden, mlp)
        self.self_attention = self_attention
        self.local = LocalAttention(width, residual, gate, order, kernel) if local_attention else None

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two of (B, d), or of (B, P, d) if the tokens are positions → (B, d)."""
        value = self.value(a, b)
        attended = self._attended(a, b, value) if self.self_attention else value
        if self.tokens == "positions":
            value, attended = value.mean(dim=1), attended.mean(dim=1)
        if self.local is None:
            return attended
        local: Tensor = self.local(value if self.beside else attended)
        return attended + local if self.beside else local

    def _attended(self, a: Tensor, b: Tensor, value: Tensor) -> Tensor:
        """Return what self-attention makes of the value, in its shape."""
        # d_K is the width of a feature, d, whatever the tokens are.
        scale = math.sqrt(a.shape[-1]) if self.scale == "width" else float(len(a))
        three = (a, b, value) if self.query == "first" else (b, a, value)
        if self.tokens == "channels":
            q, k, v = (each.unsqueeze(-1) for each in three)
            found = attend(q, k, v, scale, self.product).squeeze(-1)
        else:
            found = attend(*three, scale, self.product)
        return found + value if self.skip else found


class FusionAttentionNet(TwoBranchNet):
    """Two extractors → fusion attention → classes."""

    def __init__(
        self,
        first: Extractor,
        second: Extractor,
        channels: int,
        frozen: bool,
        fusion: FusionAttention,
        head: nn.Module,
    ) -> None:
        super().__init__(first, second, channels, frozen)
        width = min(first.width, second.width)
        self.match_first = nn.Identity() if fusion.tokens == "positions" else Matched(first, width)
        self.match_second = nn.Identity() if fusion.tokens == "positions" else Matched(second, width)
        self.fusion = fusion
        self.head = head
        self.reads_batch = fusion.self_attention and "batch" in (fusion.tokens, fusion.scale)

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        """Maps of both → (B, d)."""
        if self.fusion.tokens == "positions":
            a, b = (each.flatten(2).transpose(1, 2) for each in (a, b))
        joined: Tensor = self.fusion(self.match_first(a), self.match_second(b))
        return joined

    def classify(self, joined: Tensor) -> Tensor:
        """(B, d) → logits (B, classes)."""
        logits: Tensor = self.head(joined)
        return logits


def fusion_attention(options: FusionAttentionOptions, classes: int) -> nn.Module:
    """Build the network of tran2023.

    Raises:
        UserError: positions are asked for together with flattened features, or of maps that differ in width.
    """
    names = (options.first, options.second)
    positions = options.tokens == "positions"
    grids = (options.grid, options.grid) if positions else vector_grids(names, options.vgg)
    a, b = extractors(names, options.channels, options.weights, grids)
    width = min(a.width, b.width)
    if positions and (a.width != b.width or options.vgg == "flatten"):
        raise UserError(
            "network.tokens: positions need two maps of the same width, averaged: "
            f"found {a.width} and {b.width} channels, and vgg: {options.vgg}; take tokens: channels or other backbones."
        )
    fusion = FusionAttention(
        width,
        options.mlp_hidden,
        options.tokens,
        options.scale,
        options.mlp,
        options.self_attention,
        options.local_attention,
        options.residual,
        query=options.query,
        product=options.product,
        skip=options.skip,
        beside=options.attentions == "side-by-side",
        gate=options.gate,
        order=options.order,
        kernel=options.kernel,
    )
    head = classifier_head(width, options.hidden, options.dropout, classes)
    return FusionAttentionNet(a, b, options.channels, options.frozen, fusion, head)
