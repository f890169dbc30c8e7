"""What the intervals of comparisons cover, and what verdicts come to: the simulated tables of docs/verdicts.md.

    python benchmarks/coverage.py [--runs 4000]

Two methods of equal accuracy are compared on the same images, 16 comparisons a table. Images differ in difficulty, for
all methods and for each; seeds differ in skill. Printed is how often the 95 % interval covers the truth, and its half
width in points, by the rule of `refer.evaluation.paired` and by the crossed interval alone, which it was before; then
how often McNemar's test tells two trainings of equal methods apart; then which verdicts a single run of an accuracy of
73 % gets on FER2013's 3,589 images. A minute or two on one core.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm

from refer.evaluation.crossed import half_width
from refer.evaluation.moderated import moderate
from refer.evaluation.paired import difference_shares
from refer.evaluation.reported import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED, against, claim

ACCURACIES, IMAGES, SPREADS, SEEDS = (0.6, 0.9), (300, 3000), (0.0, 0.6, 1.5), (1, 2, 3, 5)
COMPARISONS = 16
HARD = 1.7
"""Standard deviation of the images' difficulty, in probits: two networks' answers correlate at about 0.6."""
ALIKE = 0.8
"""Share of that difficulty that all methods have in common."""
FER2013 = 3589
"""Images of PrivateTest."""


def drawn(
    rng: np.random.Generator, tables: int, seeds: int, images: int, accuracy: float, spread: float
) -> Iterator[NDArray[np.bool_]]:
    """Yield the answers (comparisons, 2 methods, seeds, images) of so many tables; seeds differ by `spread` points."""
    skill = spread / 100 / norm.pdf(norm.ppf(accuracy)) * np.sqrt(1 + HARD**2)
    middle = norm.ppf(accuracy) * np.sqrt(1 + HARD**2 + skill**2)

    def normal(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal(shape, dtype=np.float32)

    own = np.float32(HARD * np.sqrt(1 - ALIKE**2))
    for _ in range(tables):
        hard = np.float32(HARD * ALIKE) * normal(1, 1, 1, images) + own * normal(COMPARISONS, 2, 1, images)
        latent = hard + np.float32(skill) * normal(COMPARISONS, 2, seeds, 1) + np.float32(middle)
        yield normal(COMPARISONS, 2, seeds, images) < latent


def coverage(runs: int) -> None:
    """Print what 95 % intervals of a difference cover, and how often McNemar's test is wrong of the methods."""
    now, before = [], []
    for images in IMAGES:
        for accuracy in ACCURACIES:
            for spread in SPREADS:
                cells: dict[str, list[str]] = {"now": [], "before": []}
                for seeds in SEEDS:
                    rng = np.random.default_rng(0)
                    tested: dict[str, list[tuple[bool, float]]] = {"now": [], "before": []}
                    wrong = []
                    for answers in drawn(rng, runs // COMPARISONS, seeds, images, accuracy, spread):
                        found = [difference_shares(one, other) for one, other in answers]
                        ways = {"now": moderate(found), "before": [each._replace(fixed=0.0) for each in found]}
                        for way, those in ways.items():
                            halves = [(each.mean, half_width(each)) for each in those]
                            tested[way] += [(abs(mean) <= half, half) for mean, half in halves]
                        if seeds == 1:
                            wrong.append(mcnemar(answers[:, 0, 0], answers[:, 1, 0]) <= 0.05)
                    for way, those_tested in tested.items():
                        covered, half = np.mean(those_tested, axis=0)
                        cells[way].append(f"{100 * covered:.1f} % ±{100 * half:.1f}")
                    if seeds == 1:
                        error = f"{100 * np.mean(wrong):.1f} %"
                row = f"| {images:,} | {100 * accuracy:.0f} % | {spread:g} |"
                now.append(f"{row} {' | '.join(cells['now'])} | {error} |")
                before.append(f"{row} {' | '.join(cells['before'])} |")
    head = f"| images | accuracy | seeds' sd | {' | '.join(f'{s} seed' + 's' * (s > 1) for s in SEEDS)} |"
    print(
        f"\n95 % intervals of a difference, moderated, no narrower than the images allow:\n\n{head} McNemar, 1 seed |"
    )
    print("|---" * 8 + "|", *now, sep="\n")
    print(f"\n95 % intervals of a difference, crossed alone:\n\n{head}")
    print("|---" * 7 + "|", *before, sep="\n")


def mcnemar(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the exact two-sided p of each row; the binomial of one half is symmetric."""
    gained, lost = (other & ~one).sum(axis=1), (one & ~other).sum(axis=1)
    return np.minimum(2 * binom.cdf(np.minimum(gained, lost), gained + lost, 0.5), 1.0)


def verdicts(runs: int) -> None:
    """Print which verdicts a single run gets against a reported accuracy of 73 %, both on the same images."""
    order = (REPRODUCED, INCONCLUSIVE, NOT_REPRODUCED)
    alike = (0.5, 0.6, 0.7, 0.8)
    print("\nVerdicts on a single run, margin 2 points: reproduced / inconclusive / not reproduced, by correlation:\n")
    print(f"| truth | {' | '.join(f'{each}' for each in alike)} | other images |\n{'|---' * 6}|")
    for gap, spread in ((0.0, 0.0), (0.0, 0.6), (2.0, 0.0), (4.0, 0.0)):
        cells = []
        for correlation in (*alike, None):
            rng = np.random.default_rng(0)
            accuracies = 0.73 - np.array([gap, 0.0]) / 100 + spread / 100 * rng.standard_normal((runs, 2))
            ours, theirs = accuracies.T
            both = ours * theirs
            if correlation is not None:
                both = both + correlation * np.sqrt(ours * (1 - ours) * theirs * (1 - theirs))
            counts = rng.multinomial(
                FER2013, np.stack([both, ours - both, theirs - both, 1 - ours - theirs + both], -1)
            )
            shared = 0 if correlation is None else FER2013
            found: Counter[str] = Counter()
            for row in counts:
                found[verdict(int(row[0] + row[1]), int(row[0] + row[2]), shared)] += 1
            cells.append(" / ".join(f"{100 * found[each] / runs:.1f}" for each in order))
        truth = "equal networks" if not gap else f"{gap:g} points lower"
        truth = "equal methods, seeds' sd 0.6" if spread else truth
        print(f"| {truth} | {' | '.join(cells)} |")


@cache
def verdict(ours: int, theirs: int, shared: int) -> str:
    """Return the verdict on `ours` right answers of a single run against a reported count of `theirs`."""
    stated = claim(round(100 * theirs / FER2013, 2), FER2013, decimals=2)
    return against((np.arange(FER2013) < ours)[None], None, stated, shared=shared).verdict


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=4000)
    runs = parser.parse_args().runs
    verdicts(runs)
    coverage(runs)


if __name__ == "__main__":
    main()
