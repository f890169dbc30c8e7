"""Losses against a slow computation in NumPy, and what they do at their limits."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from refer.networks.ferattention import Corrected
from refer.recipe import Recipe
from refer.training.loader import Batch
from refer.training.losses import (
    MixedLabels,
    attention_loss,
    cross_entropy,
    feratt_terms,
    gaussian_structure_loss,
    joined_with_mixup,
    mixup,
    objective,
)


def softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


@pytest.mark.parametrize("on", ["logits", "softmax"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_its_formula(on: str, smoothing: float) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 4), torch.arange(6) % 4
    scores = logits.double().numpy()
    if on == "softmax":
        scores = softmax(scores)
    logs = np.log(softmax(scores))
    target = np.eye(4)[labels.numpy()] * (1 - smoothing) + smoothing / 4
    found = cross_entropy(logits, labels, on, smoothing)  # type: ignore[arg-type]
    assert found.item() == pytest.approx(-(target * logs).sum(1).mean(), rel=1e-5)


def test_a_softmax_twice_cannot_fall_below_its_floor() -> None:
    certain = torch.full((3, 5), -100.0)
    certain[:, 2] = 100.0
    right, wrong = torch.tensor([2, 2, 2]), torch.tensor([0, 0, 0])
    floor = math.log(math.e + 4) - 1
    assert floor == pytest.approx(0.905, abs=5e-4)
    assert cross_entropy(certain, right, "softmax").item() == pytest.approx(floor, rel=1e-5)
    assert cross_entropy(certain, right).item() == pytest.approx(0, abs=1e-6)
    certain.requires_grad_()
    for on, fades in (("softmax", True), ("logits", False)):
        (gradient,) = torch.autograd.grad(cross_entropy(certain, wrong, on), certain)  # type: ignore[arg-type]
        assert (gradient.abs().max() < 1e-6).item() is fades


def test_cross_entropy_is_in_float32_whatever_it_is_given() -> None:
    found = cross_entropy(torch.randn(2, 3).bfloat16(), torch.tensor([0, 1]), "softmax")
    assert found.dtype == torch.float32


def test_attention_loss_is_its_formula() -> None:
    torch.manual_seed(1)
    corrected, clean = torch.rand(2, 3, 4, 4, dtype=torch.float64), torch.rand(2, 3, 4, 4, dtype=torch.float64)
    e = np.exp(6 * np.abs(clean.numpy() - corrected.numpy()))
    mean = ((e - 1) / (e + 1)).mean()
    assert attention_loss(corrected, clean).item() == pytest.approx(5 * mean, rel=1e-6)
    assert attention_loss(corrected, clean, 10).item() == pytest.approx(10 * mean, rel=1e-6)


@given(st.floats(-1e4, 1e4), st.floats(0, 1))
def test_attention_loss_lies_between_0_and_5(corrected: float, clean: float) -> None:
    one = torch.full((1, 1, 2, 2), corrected, requires_grad=True)
    loss = attention_loss(one, torch.full((1, 1, 2, 2), clean))
    loss.backward()
    assert 0 <= loss.item() <= 5
    assert one.grad is not None
    assert one.grad.isfinite().all()


def gaussian_by_hand(z: np.ndarray, targets: np.ndarray, sigma: float) -> float:
    n, classes = targets.shape
    present = [j for j in range(classes) if targets[:, j].sum() > 0]
    means = {j: sum(targets[i, j] * z[i] for i in range(n)) / targets[:, j].sum() for j in present}
    total = 0.0
    for i in range(n):
        density = {j: math.exp(-((z[i] - means[j]) ** 2).sum() / (2 * sigma**2)) for j in present}
        for j in range(classes):
            pi = density[j] / sum(density.values()) if j in present else 0.0
            total += (pi - targets[i, j]) ** 2
    return total / n


@pytest.mark.parametrize("classes", [3, 5])
@pytest.mark.parametrize("sigma", [0.5, 1.0])
@pytest.mark.parametrize("soft", [False, True])
def test_gaussian_structure_loss_is_its_formula(classes: int, sigma: float, soft: bool) -> None:
    torch.manual_seed(2)
    z = torch.randn(9, 2)
    targets = torch.eye(classes)[torch.arange(9) % 3]  # of five classes two are absent
    if soft:
        targets = 0.3 * targets + 0.7 * targets.roll(1, 0)
        targets[0] = 0
    found = gaussian_structure_loss(z, targets, sigma).item()
    assert found == pytest.approx(gaussian_by_hand(z.double().numpy(), targets.double().numpy(), sigma), rel=1e-5)


def test_classes_that_are_absent_from_the_batch_change_nothing() -> None:
    torch.manual_seed(3)
    z, labels = torch.randn(6, 4), torch.arange(6) % 2
    few, many = torch.eye(2)[labels], torch.eye(8)[labels]
    assert gaussian_structure_loss(z, few).item() == pytest.approx(gaussian_structure_loss(z, many).item(), rel=1e-6)


def test_well_parted_classes_cost_nothing_and_exchanged_ones_all() -> None:
    z = torch.tensor([[0.0, 0], [0, 0.1], [9, 9], [9, 9.1]])
    assert gaussian_structure_loss(z, torch.eye(2)[torch.tensor([0, 0, 1, 1])]).item() == pytest.approx(0, abs=1e-9)
    # Means set by many, but one row of each lies among the others.
    z = torch.cat((torch.zeros(9, 2), torch.full((1, 2), 9.0)))
    targets = torch.eye(2)[torch.tensor([1] + [0] * 8 + [0])]
    loss = gaussian_structure_loss(torch.cat((z, 9 - z)), torch.cat((targets, 1 - targets))).item()
    assert loss == pytest.approx(4 * 2 / 20, abs=1e-3)


def test_far_from_every_mean_there_is_still_a_gradient() -> None:
    # exp(-d² / (2 σ²)) is 0 in float32 for every class here.
    z = torch.tensor([[-12.0], [12.0], [-12.0], [12.1]], requires_grad=True)
    targets = torch.eye(2)[torch.tensor([0, 0, 1, 1])]
    loss = gaussian_structure_loss(z, targets)
    loss.backward()
    assert loss.item() == pytest.approx(gaussian_by_hand(z.detach().double().numpy(), targets.numpy(), 0.5), rel=1e-4)
    assert z.grad is not None
    assert z.grad.isfinite().all()
    assert z.grad.abs().sum() > 0
    one = torch.randn(5, 3, requires_grad=True)
    gaussian_structure_loss(one, torch.eye(4)[torch.zeros(5, dtype=torch.long)]).backward()
    assert one.grad is not None
    assert one.grad.isfinite().all(), "a batch of one class alone"


def test_mixup_mixes_with_one_share_and_one_order() -> None:
    torch.manual_seed(4)
    values = torch.randn(7, 3)
    torch.manual_seed(4)
    mixed, order, share = mixup(values)
    assert sorted(order.tolist()) == list(range(7))
    assert 0 < share < 1
    expected = [share * values[i] + (1 - share) * values[order[i]] for i in range(7)]
    torch.testing.assert_close(mixed, torch.stack(expected))
    assert not torch.equal(mixup(values)[0], mixed)
    torch.manual_seed(4)
    assert torch.equal(mixup(values)[0], mixed), "the generator's state decides"


def test_shares_come_from_beta_2_2() -> None:
    torch.manual_seed(5)
    shares = np.array([mixup(torch.zeros(2, 1))[2] for _ in range(2000)])
    assert shares.mean() == pytest.approx(0.5, abs=0.02)
    assert shares.var() == pytest.approx(0.05, abs=0.005), "alpha² / ((2 alpha)² (2 alpha + 1))"


@pytest.mark.parametrize("mixed", ["shares", "neighbours", "agreeing"])
def test_a_batch_is_joined_with_its_mixup(mixed: MixedLabels) -> None:
    torch.manual_seed(6)
    z, labels = torch.randn(8, 4), torch.arange(8) % 3
    torch.manual_seed(7)
    joined, targets = joined_with_mixup(z, labels, 4, mixed)
    torch.manual_seed(7)
    copies, order, share = mixup(z)
    assert torch.equal(joined, torch.cat((z, copies)))
    assert torch.equal(targets[:8], torch.eye(4)[labels])
    for i in range(8):
        own, other = int(labels[i]), int(labels[order[i]])
        expected = np.zeros(4)
        if mixed == "shares":
            expected[own] += share
            expected[other] += 1 - share
        elif mixed == "agreeing":
            expected[own] = float(own == other)
        else:
            distances = ((copies[i] - z) ** 2).sum(1).numpy()
            votes = np.bincount(labels.numpy()[np.argsort(distances)[:3]], minlength=4)
            expected[votes.argmax()] = 1
        np.testing.assert_allclose(targets[8 + i].numpy(), expected, rtol=1e-6)


def output(batch: int = 6, classes: int = 3) -> tuple[Corrected, Tensor]:
    torch.manual_seed(8)
    logits, z = torch.randn(batch, classes), torch.randn(batch, 4)
    return Corrected(logits, z, torch.rand(batch, 1, 2, 2), torch.rand(batch, 3, 2, 2)), torch.arange(batch) % classes


def test_feratt_minimises_three_terms() -> None:
    explained, labels = output()
    clean = torch.rand(6, 3, 2, 2)
    torch.manual_seed(9)
    terms = feratt_terms(explained, labels, 3, clean, structured=True)
    torch.manual_seed(9)
    structure = gaussian_structure_loss(*joined_with_mixup(explained.representation, labels, 3, "agreeing"), 0.5)
    assert list(terms) == ["cross_entropy", "attention", "structure"]
    assert torch.equal(terms["cross_entropy"], cross_entropy(explained.logits, labels))
    assert torch.equal(terms["attention"], attention_loss(explained.corrected, clean))
    assert torch.equal(terms["structure"], structure)


def test_nothing_is_mixed_if_so_wanted() -> None:
    z, labels = torch.randn(8, 4), torch.arange(8) % 3
    before = torch.get_rng_state()
    joined, targets = joined_with_mixup(z, labels, 4, "none")
    assert torch.equal(joined, z)
    assert torch.equal(targets, torch.eye(4)[labels])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("coefficient", "sigma"), [(10.0, 1.0), (5.0, 0.5)])
def test_a_recipe_says_the_attention_losss_factor_and_the_width_of_the_gaussians(
    coefficient: float, sigma: float
) -> None:
    explained, labels = output()
    clean = torch.rand(6, 3, 2, 2)
    base = {"epochs": 1, "batch_size": 6, "image_size": 16, "optimizer": "adam", "lr": 0.1, "structure": True}
    recipe = Recipe(**base, mixed_labels="none", sigma=sigma, attention_coefficient=coefficient)  # type: ignore[arg-type]
    batch = cast(Batch, SimpleNamespace(labels=labels, clean=clean))
    found = objective(explained, batch, recipe, 3).item()
    z, one_hot = explained.representation.double().numpy(), np.eye(3)[labels.numpy()]
    logs = np.log(softmax(explained.logits.double().numpy()))
    e = np.exp(6 * np.abs(clean.double().numpy() - explained.corrected.double().numpy()))
    expected = -(one_hot * logs).sum(1).mean() + coefficient * ((e - 1) / (e + 1)).mean()
    assert found == pytest.approx(expected + gaussian_by_hand(z, one_hot, sigma), rel=1e-5)


def test_feratts_cross_entropy_is_taken_and_smoothed_as_the_recipe_says() -> None:
    explained, labels = output()
    terms = feratt_terms(explained, labels, 3, None, structured=False, on="softmax", label_smoothing=0.1)
    assert torch.equal(terms["cross_entropy"], cross_entropy(explained.logits, labels, "softmax", 0.1))
    recipe = Recipe(epochs=1, batch_size=6, image_size=16, optimizer="sgd", lr=0.1, label_smoothing=0.1)
    batch = cast(Batch, SimpleNamespace(labels=labels, clean=None))
    loss = objective(explained, batch, recipe, 3)
    assert torch.equal(loss, cross_entropy(explained.logits, labels, label_smoothing=0.1))


def test_mixed_images_count_for_each_class_as_much_as_they_show_of_it() -> None:
    logits, share = torch.randn(4, 3), torch.tensor([0.9, 0.25, 1.0, 0.6])
    own, other = torch.tensor([0, 1, 2, 0]), torch.tensor([2, 0, 1, 0])
    recipe = Recipe(epochs=1, batch_size=4, image_size=16, optimizer="sgd", lr=0.1)
    batch = Batch((torch.zeros(4, 1, 1, 1),), own, others=other, share=share)
    loss = objective(logits, batch, recipe, 3)
    chances = np.array([[0.9, 0, 0.1], [0.75, 0.25, 0], [0, 0, 1], [1, 0, 0]])
    assert loss.item() == pytest.approx(-(chances * np.log(softmax(logits.numpy()))).sum(1).mean(), rel=1e-5)


def test_terms_that_do_not_apply_are_left_out() -> None:
    explained, labels = output()
    assert list(feratt_terms(explained, labels, 3, None, structured=False)) == ["cross_entropy"]
    assert list(feratt_terms(explained, labels, 3, None, structured=True)) == ["cross_entropy", "structure"]
