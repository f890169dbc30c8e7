"""What is minimised: cross-entropy in two forms, and the attention and Gaussian-structure losses of feratt2019."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from refer.networks.ferattention import Corrected
from refer.networks.interface import logits_of
from refer.recipe import Recipe
from refer.training.data import sent
from refer.training.loader import Batch

On = Literal["logits", "softmax"]
MixedLabels = Literal["agreeing", "none", "neighbours", "shares"]


def cross_entropy(
    logits: Tensor, labels: Tensor, on: On = "logits", label_smoothing: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Cross-entropy of the logits or, as naseem2025 published it, of their softmax.

    Given `softmax`, probabilities are taken for logits and go through a second softmax. As they lie in 0..1,
    the loss cannot fall below ln(e + K - 1) - 1, which is 0.905 for 5 classes and no label smoothing, and its
    gradient fades for images that are confidently wrong.

    Args:
        logits: (B, K), before any softmax.
        labels: (B,) int64.
        on: `logits` or `softmax`.
        label_smoothing: in 0..1.
        reduction: `mean`, or `none` for that of each image.

    Returns:
        A scalar in nats, or (B,), computed in float32.
    """
    scores = logits.float()
    if on == "softmax":
        scores = scores.softmax(dim=1)
    return functional.cross_entropy(scores, labels, label_smoothing=label_smoothing, reduction=reduction)


def attention_loss(corrected: Tensor, clean: Tensor, coefficient: float = 5.0) -> Tensor:
    """How far the corrected image is from the clean face (feratt2019): c · mean((e - 1) / (e + 1)).

    With d = |x_org - I_att| and e = exp(6 d), (e - 1) / (e + 1) = tanh(3 d), which does not overflow.

    Args:
        corrected: I_att (B, C, H, W).
        clean: x_org (B, C, H, W), the transformed face on black, in the range of the network's images.
        coefficient: c; 10 in the authors' code of April 2019, 5 later.

    Returns:
        A scalar in 0..c.
    """
    return coefficient * torch.tanh(3 * (clean.float() - corrected.float()).abs()).mean()


def gaussian_structure_loss(z: Tensor, targets: Tensor, sigma: float = 0.5) -> Tensor:
    """Pull each representation to a Gaussian about its class, away from those of the others (feratt2019).

        μ_j  = Σ_i t_ij z_i / Σ_i t_ij                                  the batch mean of class j
        π_ij = exp(-|z_i - μ_j|² / (2 σ²)), normalised over j
        loss = mean_i Σ_j (π_ij - t_ij)²

    A class that no row of the batch belongs to has no mean: it takes no part in the normalisation, and a share
    that a row had in it would count in full. The normalisation is a softmax of the exponents, so that a row far
    from every mean, whose exponentials are all zero in float32, still has the right π.

    Args:
        z: (N, D) representations.
        targets: t (N, K), the share of each row in each class: one-hot, or mixed, or zeros for a row that belongs
            to none.
        sigma: σ, in the units of z; 1 in the authors' code of April 2019, 0.5 later.

    Returns:
        A scalar in 0..2.
    """
    z, targets = z.float(), targets.float()
    weight = targets.sum(dim=0)
    means = (targets.T @ z) / weight.clamp(min=torch.finfo(z.dtype).tiny).unsqueeze(1)
    # Differences, not |z|² - 2 z μ + |μ|²: that loses the small distances that matter here.
    squared = (z.unsqueeze(1) - means).square().sum(dim=2)
    exponents = (-squared / (2 * sigma**2)).masked_fill(weight == 0, -torch.inf)
    return (exponents.softmax(dim=1) - targets).square().sum(dim=1).mean()


def mixup(values: Tensor, alpha: float = 2.0) -> tuple[Tensor, Tensor, float]:
    """Mix each row with another of the batch, all in one proportion (Zhang et al. 2018).

        v'_i = λ v_i + (1 - λ) v_p(i),   λ from Beta(alpha, alpha), p a random order

    Args:
        values: (B, …).
        alpha: of the Beta distribution; 2 in feratt2019.

    Returns:
        The mixed rows, the order p (B,), and λ. Drawn from torch's generator of the CPU, whatever the device.
    """
    shape = torch.tensor(float(alpha))
    share = float(torch.distributions.Beta(shape, shape).sample())
    order = sent(torch.randperm(len(values)), values.device)
    return share * values + (1 - share) * values[order], order, share


def joined_with_mixup(
    z: Tensor, labels: Tensor, classes: int, mixed: MixedLabels = "agreeing", alpha: float = 2.0, neighbours: int = 3
) -> tuple[Tensor, Tensor]:
    """A batch of representations with its mixup copy, and the classes of both, for the Gaussian-structure loss.

    What class a mixed row belongs to can be read in several ways (`mixed`):

        agreeing     to the common class of the two, or to none if they differ: what averaging class numbers, as the
                     authors' code does since May 2019, comes to.
        none         nothing is mixed: the batch alone, as in their code of April 2019.
        neighbours   to the class that most of its nearest representations in the batch have, the lowest such
                     class if they tie; written in their code of April 2019, and switched off.
        shares       to both classes, in the proportion of the mixture: mixup's own labels, in no version of their code.

    Args:
        z: (B, D) representations.
        labels: (B,) int64.
        classes: K.
        mixed: see above.
        alpha: of the Beta distribution.
        neighbours: how many representations vote.

    Returns:
        (2B, D) and (2B, K); with `none` (B, D) and (B, K).
    """
    if mixed == "none":
        return z, functional.one_hot(labels, classes).float()
    copies, order, share = mixup(z, alpha)
    own = functional.one_hot(labels, classes).float()
    other = own[order]
    if mixed == "shares":
        targets = share * own + (1 - share) * other
    elif mixed == "agreeing":
        targets = own * other
    else:
        nearest = torch.cdist(copies.detach().float(), z.detach().float()).topk(min(neighbours, len(z)), largest=False)
        votes = own[nearest.indices].sum(dim=1)
        targets = functional.one_hot(votes.argmax(dim=1), classes).float()
    return torch.cat((z, copies)), torch.cat((own, targets))


def feratt_terms(
    output: Corrected,
    labels: Tensor,
    classes: int,
    clean: Tensor | None,
    structured: bool,
    mixed: MixedLabels = "agreeing",
    sigma: float = 0.5,
    coefficient: float = 5.0,
    on: On = "logits",
    label_smoothing: float = 0.0,
) -> dict[str, Tensor]:
    """The terms whose sum, unweighted, feratt2019 minimises.

    Args:
        output: what the network returned in training.
        labels: (B,) int64.
        classes: K.
        clean: x_org (B, 3, H, W), or None where no clean face is known: the attention loss is then left out.
        structured: whether the representation is to have Gaussian structure (+Rep).
        mixed: how mixed representations are labelled.
        sigma: of the Gaussians.
        coefficient: of the attention loss.
        on: as in `cross_entropy`; the paper takes logits.
        label_smoothing: as in `cross_entropy`; the paper has none.

    Returns:
        Name → scalar.
    """
    terms = {"cross_entropy": cross_entropy(output.logits, labels, on, label_smoothing)}
    if clean is not None:
        terms["attention"] = attention_loss(output.corrected, clean, coefficient)
    if structured:
        joined = joined_with_mixup(output.representation, labels, classes, mixed)
        terms["structure"] = gaussian_structure_loss(*joined, sigma=sigma)
    return terms


def objective(output: Any, batch: Batch, recipe: Recipe, classes: int) -> Tensor:
    """Return the loss of a training batch: cross-entropy, of mixed images with both labels, or feratt2019's terms."""
    if isinstance(output, Corrected):
        terms = feratt_terms(
            output, batch.labels, classes, batch.clean, structured=recipe.structure, mixed=recipe.mixed_labels,
            sigma=recipe.sigma, coefficient=recipe.attention_coefficient, on=recipe.loss,
            label_smoothing=recipe.label_smoothing,
        )  # fmt: skip
        return torch.stack(list(terms.values())).sum()
    logits, how = logits_of(output), (recipe.loss, recipe.label_smoothing)
    if batch.share is None or batch.others is None:
        return cross_entropy(logits, batch.labels, *how)
    own, other = (cross_entropy(logits, labels, *how, "none") for labels in (batch.labels, batch.others))
    return torch.lerp(other, own, batch.share).mean()
