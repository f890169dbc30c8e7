"""How long everything right of the predictions takes, for all four papers with five seeds: made-up answers, real sizes.

    python benchmarks/reporting.py [--seeds 5] [--cores 2] [--keep folder] [--profile]

Writes predictions of the size that the papers' data sets have (1,700 files), then times score, tables, figures and the
front page without torch, each in the jobs that the workflow makes of it, so many at once as there are cores.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import multiprocessing
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from refer.papers import Paper, load_paper
from refer.reporting.figures.confusion import draw_confusions
from refer.reporting.figures.curves import draw_curves
from refer.reporting.figures.forest import draw_forest, draw_overview
from refer.reporting.figures.pairs import draw_pairs
from refer.reporting.page import write_page
from refer.reporting.report import Report
from refer.reporting.results import Results
from refer.reporting.run_set import read_records
from refer.reporting.score import Asked, score
from report_fixtures import make_paper

ROOT = Path(__file__).resolve().parent.parent
SIZES = {
    ("khalid2025", "fer2013"): 3589,
    ("naseem2025", "viri"): 90,
    ("naseem2025", "nvie"): 150,
    ("tran2023", "rafdb"): 3068,
    ("feratt2019", "bu3dfe"): 2500,
    ("feratt2019", "ckplus"): 1300,
}
Job = tuple[Callable[..., Any], tuple[Any, ...]]
FACES, SHOWN = (".csv", ".md", ".tex", ".html"), (".svg", ".png")


class Preset:
    """A preset of made-up runs, and the steps that the workflow takes with it."""

    def __init__(self, folder: Path, seeds: int) -> None:
        self.folder, self.papers = folder, [load_paper(ROOT / f"papers/{name}.yaml") for name in self.names()]
        for paper, dataset in SIZES:
            spec = next(each for each in self.papers if each.id == paper)
            folds = tuple(range(spec.folds.get(dataset, 0)))
            images = SIZES[paper, dataset]
            make_paper(folder.parent, spec, dataset, images=images, seeds=tuple(range(seeds)), folds=folds, epochs=10,
                       suffix="", preset=folder.name)  # fmt: skip
        self.predictions = sorted(folder.glob("runs/**/predictions.parquet"))
        self.runs = [path.with_name("run.json") for path in self.predictions]
        self.training = [path.with_name("training.csv") for path in self.predictions]
        self.results = [folder / "results.parquet", folder / "results.csv"]
        self.asked = Asked({spec.id: spec for spec in self.papers})

    @staticmethod
    def names() -> list[str]:
        """Return the papers."""
        return list(dict.fromkeys(paper for paper, _ in SIZES))

    def of(self, paper: str, dataset: str, paths: list[Path]) -> list[Path]:
        """Return the files of a paper's runs on a data set."""
        return [path for path in paths if f"/runs/{paper}/{dataset}/" in str(path)]

    def report(self) -> Report:
        """Return what tables and figures are made from."""
        return Report(self.asked, Results.read(self.results[0]), read_records(self.runs))

    def score(self) -> list[Job]:
        """As the rule score."""
        return [(score, (self.asked, self.predictions, self.runs, self.results, self.training))]

    def tables(self) -> list[Job]:
        """As the rule tables."""
        return [(self.whole, ())]

    def whole(self) -> None:
        """As the one job of the rule tables."""
        report = self.report()
        cells = [f"{paper}.{dataset}" for paper, dataset in SIZES]
        names = [f"{kind}{cell}" for cell in cells for kind in ("", "metrics.", "pairs.", "protocols.")]
        names += [f"{kind}.{spec.id}" for spec in self.papers for kind in ("printed", "claims")]
        report.write(path for name in [*names, "runs", "verdicts", "ranking"] for path in self.faces(name))
        draw_overview(self.papers, report.verdicts, self.pictures("overview", ["verdicts"]))

    def figures(self) -> list[Job]:
        """As the rule figures: a job per paper and data set."""
        return [(self.figure, cell) for cell in sorted(SIZES, key=self.cost)]

    def figure(self, paper: str, dataset: str) -> None:
        """As one job of the rule figures."""
        spec = self.paper(paper)
        runs, predictions, training = (
            self.of(paper, dataset, paths) for paths in (self.runs, self.predictions, self.training)
        )
        names = [f"{paper}.{dataset}.{protocol}" for protocol in spec.protocols]
        report, name = self.report(), f"{paper}.{dataset}"
        draw_forest(spec, report.frame(name), self.pictures("forest", [name]))
        draw_pairs(spec, report.frame(f"pairs.{name}"), self.pictures("pairs", names))
        draw_curves(spec, runs, training, self.pictures("curves", names))
        matrices = dict.fromkeys(
            f"{paper}.{dataset}.{protocol}.{method}.{part}"
            for protocol, rule in spec.protocols.items()
            for method in spec.methods
            for part in spec.data[dataset].evaluated(rule)
            if part == spec.data[dataset].evaluated(rule)[-1] or part in (spec.data[dataset].parts or {})
        )
        draw_confusions(spec, predictions, self.pictures("confusion", list(matrices)))

    def paper(self, name: str) -> Paper:
        """Return a paper."""
        return next(each for each in self.papers if each.id == name)

    def cost(self, cell: tuple[str, str]) -> int:
        """Return what sorts the longest jobs first."""
        return -len(self.of(*cell, self.predictions))

    def faces(self, name: str) -> list[Path]:
        """Return the files of a table."""
        return [self.folder / f"tables/{name}{suffix}" for suffix in FACES]

    def pictures(self, kind: str, names: list[str]) -> list[Path]:
        """Return the files of figures."""
        return [self.folder / f"figures/{kind}/{name}{suffix}" for name in names for suffix in SHOWN]

    def page(self) -> list[Job]:
        """As the rule page."""
        return [(self.front, ())]

    def front(self) -> None:
        """As the one job of the rule page."""
        kinds = ("overview", "forest", "pairs", "curves", "confusion")
        shown = {kind: sorted((self.folder / f"figures/{kind}").glob("*.svg")) for kind in kinds}
        write_page(
            self.folder / "report.html",
            title="Benchmark",
            report=self.report(),
            audits=[],
            figures=shown,
        )


def work(job: Job) -> float:
    """Do one job and return the seconds of the processor that it took."""
    begun = time.process_time()
    job[0](*job[1])
    return time.process_time() - begun


def do(jobs: list[Job], pool: ProcessPoolExecutor | None) -> float:
    """Do jobs that need nothing of each other, and return their seconds of the processor."""
    return sum(map(work, jobs) if pool is None else pool.map(work, jobs))


def main() -> None:
    """Make a preset and time its steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=1, help="so many jobs at once, as snakemake --cores")
    parser.add_argument("--keep", type=Path, help="where to leave what was made")
    parser.add_argument("--profile", action="store_true", help="print where the time goes; with one core")
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        preset = Preset(Path(chosen.keep or scratch) / "benchmark", chosen.seeds)
        print(f"{len(preset.predictions):,} prediction files; {chosen.cores} core(s)")
        pool = None
        if chosen.cores > 1:
            pool = stack.enter_context(ProcessPoolExecutor(chosen.cores, multiprocessing.get_context("fork")))
        passed = spent = 0.0
        for step in (preset.score, preset.tables, preset.figures, preset.page):
            if step == preset.page:
                print(f"{'so far':8} {passed:6.1f} s, {spent:6.1f} s of one core: score, tables and figures")
            profile, begun = cProfile.Profile(), time.perf_counter()
            cost = profile.runcall(do, step(), pool) if chosen.profile else do(step(), pool)
            took = time.perf_counter() - begun
            passed, spent = passed + took, spent + cost
            print(f"{step.__name__:8} {took:6.1f} s, {cost:6.1f} s of one core", flush=True)
            if chosen.profile:
                pstats.Stats(profile).sort_stats("cumulative").print_stats(25)
    print(f"{'all':8} {passed:6.1f} s, {spent:6.1f} s of one core; torch imported: {'torch' in sys.modules}")


if __name__ == "__main__":
    main()
