"""What choosing the epoch on the test part is worth: docs/verdicts.md.

    python benchmarks/selection.py [--n 90] [TRAINING.CSV...]

First the expectation for epochs that are all equally good, and whose answers are independent: of E accuracies on n
images the largest is too high by E[max of E binomials] / n - p, exactly. It bounds what chance can add, for the epochs
of one training share most answers. Then, of the curves that are given (training.csv of runs that look at `val` and at
`test` after each epoch, as naseem2025's published ones do), what the best epoch on `test` has there more than the best
one on `val`, ties going to the later.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom


def inflation(n: int, p: float, epochs: int) -> float:
    """Points by which the largest of `epochs` independent accuracies on n images exceeds p, on average.

    E[max] is the sum over k of P(max > k), and the maximum is at most k where all of them are.
    """
    at_most = binom.cdf(np.arange(n), n, p) ** epochs
    return 100 * float((1 - at_most).sum() / n - p)


def gained(curve: pd.DataFrame) -> tuple[float, float]:
    """Accuracy on `test`, in percent, of the epoch that is best there and of the one that is best on `val`."""
    later = curve.iloc[::-1]
    chosen = later["val_accuracy"].idxmax()
    return 100 * float(curve["test_accuracy"].max()), 100 * float(curve["test_accuracy"][chosen])


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("curves", nargs="*", type=Path)
    parser.add_argument("--n", type=int, default=90)
    given = parser.parse_args()
    print(f"| accuracy of every epoch, n = {given.n} | best of 1 | of 5 | of 20 | of 50 | of 150 |")
    print("|---|---|---|---|---|---|")
    for right in (37, 74, 76):
        p = right / 90
        cells = " | ".join(f"{inflation(given.n, p, epochs):+.1f}" for epochs in (1, 5, 20, 50, 150))
        print(f"| {100 * p:.1f} % | {cells} |")
    gains = []
    for path in given.curves:
        best, honest = gained(pd.read_csv(path))
        gains.append(best - honest)
        name = "/".join(path.parts[-4:-1])
        print(f"{name}: best on test {best:.1f} %, best on val {honest:.1f} %, {best - honest:+.1f}")
    if gains:
        print(f"{len(gains)} curves: {np.mean(gains):.1f} points on average, {min(gains):.1f} to {max(gains):.1f}")


if __name__ == "__main__":
    main()
