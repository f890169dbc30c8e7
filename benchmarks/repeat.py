"""The same preset under other Pythons and numbers of threads: which files are equal, and how much others differ.

    python benchmarks/repeat.py --pythons /path/to/other/.venv/bin/python --threads 1 2

Each variant makes benchmarks/tiny.yaml in a copy of its own; all are compared with the first, which is this interpreter
with one thread. An interpreter must have ReFER's packages (`make install PYTHON=python3.13` in a clone). A line a
variant is printed: files that are equal byte for byte, and the largest difference of weights, probabilities and scores.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from kill import ARGUMENTS, copied, environment, final, is_timed, timeless
from safetensors.numpy import load_file

from refer.files import sha256


class Variant(NamedTuple):
    """One interpreter with a number of threads for each training."""

    python: Path
    threads: int


def make(variant: Variant, folder: Path) -> Path:
    """Make the preset in a copy of the project, from nothing."""
    copied(folder)
    bin_ = variant.python.parent
    surroundings = environment(folder) | {"PATH": f"{bin_}:{environment(folder)['PATH']}"}
    command = [str(bin_ / "snakemake"), *ARGUMENTS, "--config", f"threads={variant.threads}"]
    subprocess.run(command, cwd=folder, env=surroundings, check=True, capture_output=True)
    return folder


def about(variant: Variant) -> str:
    """Return the versions that a variant computes with."""
    say = "import platform, torch, numpy; print(platform.python_version(), torch.__version__, numpy.__version__)"
    done = subprocess.run([variant.python, "-c", say], check=True, capture_output=True, text=True)
    python, torch, numpy = done.stdout.split()
    return f"Python {python}, torch {torch}, numpy {numpy}, {variant.threads} thread(s)"


def difference(one: Path, other: Path) -> float | None:
    """Return the largest difference of two files' numbers: weights, probabilities, scores; None of other files."""
    if one.suffix == ".safetensors":
        left, right = load_file(one), load_file(other)
        return max(float(np.abs(left[key].astype(float) - right[key].astype(float)).max(initial=0)) for key in left)
    if one.suffix == ".parquet" and ("predictions" in one.name or "scores" in one.name):
        left, right = (pd.read_parquet(path).select_dtypes("floating").to_numpy() for path in (one, other))
        return float(np.nan_to_num(np.abs(left - right)).max(initial=0))
    return None


def report(reference: Path, folder: Path) -> str:
    """Return how many files are equal, and the largest differences by kind of file."""
    files, largest, equal, timed = dict(final(reference)), {}, 0, 0
    missing = files.keys() ^ dict(final(folder)).keys()
    for name, path in files.items():
        if name in missing:
            continue
        if sha256(path) == sha256(folder / name):
            equal += 1
        elif is_timed(name):
            timed += timeless(path) is None or timeless(path) == timeless(folder / name)
        if (found := difference(path, folder / name)) is not None:
            largest[path.name] = max(largest.get(path.name, 0.0), found)
    told = ", ".join(f"{name} {value:.3g}" for name, value in sorted(largest.items()))
    more = f", {len(missing)} missing on one side" if missing else ""
    return f"{equal} of {len(files)} files equal, {timed} but for times{more}; largest differences: {told}"


def main() -> None:
    """Make every variant, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pythons", type=Path, nargs="*", default=[], help="interpreters of other environments")
    parser.add_argument("--threads", type=int, nargs="*", default=[1], help="of each training")
    arguments = parser.parse_args()
    here = Path(sys.executable)
    variants = [Variant(python, threads) for python in (here, *arguments.pythons) for threads in arguments.threads]
    work = Path(tempfile.mkdtemp(prefix="refer-repeat-"))
    reference = make(Variant(here, 1), work / "reference")
    print(f"compared with: {about(Variant(here, 1))}")
    for number, variant in enumerate(variants):
        folder = make(variant, work / str(number))
        print(f"{about(variant)}: {report(reference, folder)}", flush=True)
        shutil.rmtree(folder)
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
