"""Simulated answers whose truth is known: images differ in difficulty, seeds in skill, people in both."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

HARD = 1.7  # standard deviation of images' difficulty, in probits: two seeds agree on about four of five images


def answers(
    rng: np.random.Generator, seeds: int, images: int, accuracy: float, spread: float, folds: int = 0
) -> np.ndarray:
    """Return answers (seeds, images) whose expected accuracy is `accuracy`; seeds' own accuracies have sd `spread`.

    With `folds`, images come in that many folds, each with its people (difficulty) and networks (skill).
    """
    skill = spread / norm.pdf(norm.ppf(accuracy)) * np.sqrt(1 + HARD**2)
    person = 0.35 if folds else 0.0
    middle = norm.ppf(accuracy) * np.sqrt(1 + HARD**2 + skill**2 + person**2)
    groups = folds or 1
    of_fold = person * rng.standard_normal(groups) + skill * rng.standard_normal((seeds, groups))
    latent = middle + HARD * rng.standard_normal(images) + np.repeat(of_fold, images // groups, axis=1)
    return rng.standard_normal((seeds, images)) < latent


def pair(
    rng: np.random.Generator, seeds: int, images: int, accuracy: float, spread: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the answers of two methods that are equally good, on the same images."""
    skill = spread / norm.pdf(norm.ppf(accuracy)) * np.sqrt(1 + HARD**2)
    middle = norm.ppf(accuracy) * np.sqrt(1 + HARD**2 + skill**2)
    shared = 0.8 * HARD * rng.standard_normal(images)
    one, other = (
        rng.standard_normal((seeds, images))
        < middle + shared + 0.6 * HARD * rng.standard_normal(images) + skill * rng.standard_normal((seeds, 1))
        for _ in range(2)
    )
    return one, other
