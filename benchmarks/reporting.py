"""How long everything right of the predictions takes, for all four papers with five seeds: made-up answers, real sizes.

    python benchmarks/reporting.py [--seeds 5] [--keep folder] [--profile]

Writes predictions of the size that the papers' data sets have (1,700 files), then times score, tables, figures and the
front page, each as a rule of the workflow calls it, in one process and without torch.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from refer.evaluation.scores import score
from refer.papers import load_paper
from refer.reporting import compare as tables
from refer.reporting.claims import write_claims
from refer.reporting.curves import draw_curves
from refer.reporting.figures import draw_confusions, draw_forest
from refer.reporting.forest import draw_overview
from refer.reporting.layouts import write_printed
from refer.reporting.listings import write_runs
from refer.reporting.overview import write_verdicts
from refer.reporting.page import write_page
from refer.reporting.pair_figure import draw_pairs
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
        self.scores = folder / "scores.parquet"

    @staticmethod
    def names() -> list[str]:
        """Return the papers."""
        return list(dict.fromkeys(paper for paper, _ in SIZES))

    def of(self, paper: str, dataset: str, paths: list[Path]) -> list[Path]:
        """Return the files of a paper's runs on a data set."""
        return [path for path in paths if f"/runs/{paper}/{dataset}/" in str(path)]

    def csv(self, paper: str, dataset: str) -> Path:
        """Return the comparison table for machines."""
        return self.folder / f"tables/{paper}.{dataset}.csv"

    def score(self) -> None:
        """As the rule score."""
        score(self.predictions, self.scores)
        write_runs(self.runs, [self.folder / "tables/runs.csv", self.folder / "tables/runs.html"])

    def tables(self) -> None:
        """As the rules table, printed and verdicts."""
        for paper, dataset in SIZES:
            spec = next(each for each in self.papers if each.id == paper)
            given = (self.of(paper, dataset, paths) for paths in (self.predictions, self.runs))
            name = f"{paper}.{dataset}"

            def faces(kind: str, name: str = name) -> list[Path]:
                return [self.folder / f"tables/{kind}{name}{suffix}" for suffix in FACES]

            found = tables.compare(spec, dataset, self.scores, *given, faces(""))
            tables.write_metrics(found, faces("metrics."))
            tables.write_pairs(found, faces("pairs."))
            tables.write_protocols(found, self.of(paper, dataset, self.training), faces("protocols."))
        for spec in self.papers:
            mine = [self.csv(*cell) for cell in SIZES if cell[0] == spec.id]
            write_printed(spec, mine, [self.folder / f"tables/printed.{spec.id}{suffix}" for suffix in FACES[1:]])
            write_claims(spec, [self.folder / f"tables/claims.{spec.id}{suffix}" for suffix in FACES])
        write_verdicts(
            self.papers, [self.csv(*cell) for cell in SIZES], [self.folder / f"tables/verdicts{s}" for s in FACES]
        )

    def figures(self) -> None:
        """As the rule figures."""
        for paper, dataset in SIZES:
            spec = next(each for each in self.papers if each.id == paper)
            runs, predictions, training = (
                self.of(paper, dataset, paths) for paths in (self.runs, self.predictions, self.training)
            )
            names = [f"{paper}.{dataset}.{protocol}" for protocol in spec.protocols]
            draw_forest(spec, self.csv(paper, dataset), self.pictures("forest", [f"{paper}.{dataset}"]))
            pairs = self.folder / f"tables/pairs.{paper}.{dataset}.csv"
            draw_pairs(spec, pairs, self.pictures("pairs", names))
            draw_curves(spec, runs, training, self.pictures("curves", names))
            matrices = dict.fromkeys(
                f"{paper}.{dataset}.{protocol}.{method}.{part}"
                for protocol, rule in spec.protocols.items()
                for method in spec.methods
                for part in spec.data[dataset].evaluated(rule)
                if part == spec.data[dataset].evaluated(rule)[-1] or part in (spec.data[dataset].parts or {})
            )
            draw_confusions(spec, predictions, self.pictures("confusion", list(matrices)))
        draw_overview(self.papers, [self.csv(*cell) for cell in SIZES], self.pictures("overview", ["verdicts"]))

    def pictures(self, kind: str, names: list[str]) -> list[Path]:
        """Return the files of figures."""
        return [self.folder / f"figures/{kind}/{name}{suffix}" for name in names for suffix in SHOWN]

    def page(self) -> None:
        """As the rule page."""
        kinds = ("overview", "forest", "pairs", "curves", "confusion")
        shown = {kind: sorted((self.folder / f"figures/{kind}").glob("*.svg")) for kind in kinds}
        write_page(
            self.folder / "report.html",
            title="Benchmark",
            papers=self.papers,
            scores=self.scores,
            predictions=self.predictions,
            runs=self.runs,
            training=self.training,
            audits=[],
            figures=shown,
        )


def main() -> None:
    """Make a preset and time its steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="where to leave what was made")
    parser.add_argument("--profile", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        preset = Preset(Path(chosen.keep or scratch) / "benchmark", chosen.seeds)
        print(f"{len(preset.predictions):,} prediction files")
        total = 0.0
        for step in (preset.score, preset.tables, preset.figures, preset.page):
            profile = cProfile.Profile()
            wall, work = time.perf_counter(), time.process_time()
            profile.runcall(step) if chosen.profile else step()
            wall, work = time.perf_counter() - wall, time.process_time() - work
            total += work
            print(f"{step.__name__:8} {wall:6.1f} s, {work:6.1f} s of one core", flush=True)
            if chosen.profile:
                pstats.Stats(profile).sort_stats("cumulative").print_stats(25)
    print(f"{'all':8} {total:16.1f} s of one core; torch imported: {'torch' in sys.modules}")


if __name__ == "__main__":
    main()
