"""Which files and folders the stages of a plan leave behind; see `refer.storage.pipeline`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from refer.plan import Plan

EVIDENCE = ("predictions.parquet", "run.json", "training.csv")
"""What of a run stands in git, if its preset is released."""


@dataclass(frozen=True)
class StageOutputs:
    """The outputs of a plan. Paths are relative to the project's root, with `/` between their steps.

    `released` says that git holds the results: then runs are named file by file, because their checkpoints are
    cached by DVC and the rest is not.
    """

    plan: Plan
    released: bool

    @property
    def results(self) -> str:
        """The folder of the preset."""
        return f"results/{self.plan.config.preset}"

    def raw(self) -> list[str]:
        """Raw archives, and what stand-ins were drawn into."""
        drawn = [name.removesuffix("-standin") for name in self._data() if name.endswith("-standin")]
        return [*(f"data/standin/{name}.tar.gz" for name in drawn), *(f"data/raw/{name}" for name in self._data())]

    def prepared(self) -> list[str]:
        """What training needs of the data: images, findings, splits, backgrounds."""
        return [
            *(f"data/{kind}/{name}" for kind in ("prepared", "audit") for name in self._data()),
            *(f"data/splits/{data}/{paper}.{protocol}.parquet" for data, paper, protocol in self.plan.splits()),
            *self._backgrounds(),
        ]

    def told(self) -> list[str]:
        """What audits and splits say of themselves."""
        return [f"{self.results}/data"]

    def learnt(self) -> list[str]:
        """What no reviewer needs: checkpoints and explanations."""
        if not self.released:
            return self.runs()
        runs = f"{self.results}/runs"
        explained = {run.path for run in self.plan.explained()}
        paths = [run.path for run in self.plan.runs()]
        return [
            *(f"{runs}/{path}/checkpoint.safetensors" for path in paths),
            *(f"{runs}/{path}/explanations.safetensors" for path in paths if path in explained),
        ]

    def runs(self) -> list[str]:
        """The folder of all runs, if it is kept as one."""
        return [] if self.released else [f"{self.results}/runs"]

    def evidence(self) -> list[str]:
        """What all tables and figures are made from, without data, GPU and torch."""
        runs = [f"{self.results}/runs/{run.path}/{name}" for run in self.plan.runs() for name in EVIDENCE]
        timed = self.plan.config.realtime_seconds > 0 and self.plan.timed()
        batches = [f"{self.results}/batch_tokens"] if self.plan.batch_tokens() else []
        return [*(runs if self.released else []), *([f"{self.results}/realtime"] if timed else []), *batches]

    def experiments(self) -> list[str]:
        """The files of rules of experiments that the configuration asks for."""
        return ["batch_tokens"] if self.plan.batch_tokens() else []

    def drawn_up(self) -> list[str]:
        """What the report's rules make of the evidence. Pictures that need images lie among the figures, too."""
        names = ("results.parquet", "tables", "figures", "metrics", "plots", "report.html")
        return [f"{self.results}/{name}" for name in names]

    def copies(self) -> list[str]:
        """The results table as CSV: made of the parquet file, and too large for git."""
        return [f"{self.results}/results.csv"]

    def papers(self) -> list[str]:
        """The files of the papers."""
        return [f"{self.plan.config.papers}/{name}.yaml" for name in sorted(self.plan.papers)]

    def _data(self) -> list[str]:
        return sorted({self.plan.data(dataset) for dataset in self.plan.datasets()})

    def _backgrounds(self) -> list[str]:
        composing = any(run.recipe.compose for run in self.plan.runs())
        kind = "scenes" if self.plan.config.backgrounds.drawn else "photographs"
        return [f"data/backgrounds/{kind}"] if composing else []


def code(*rules: str, base: Path = Path()) -> list[str]:
    """Those files of rules, and the scripts that they run; a rule without a script adds none."""
    files: dict[str, None] = {}
    for name in rules:
        path = f"workflow/rules/{name}.smk"
        files.setdefault(path)
        for script in re.findall(r'"\.\./(scripts/\w+\.py)"', (base / path).read_text(encoding="utf-8")):
            files.setdefault(f"workflow/{script}")
    return list(files)
