"""Each kind of table made anew from the files that it rests on: predictions, run.json, measurements, audits, papers."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from refer.errors import UserError
from refer.evaluation.scores import score
from refer.plan import Run
from refer.release.runs import Preset
from refer.reporting.tables.batch_tokens import write_batch_tokens
from refer.reporting.tables.claims import write_claims
from refer.reporting.tables.compare import Comparison, compare, write_metrics, write_pairs, write_protocols
from refer.reporting.tables.listings import write_ambiguities, write_audit, write_runs
from refer.reporting.tables.matrix import compare_all, write_matrix
from refer.reporting.tables.overview import write_verdicts
from refer.reporting.tables.ranking import write_contrasts, write_ranking
from refer.reporting.tables.realtime import write_realtime
from refer.reporting.tables.sensitivity import write_sensitivity
from refer.reporting.tables.splits import write_splits

Maker = Callable[[Path], object]
"""Writes a table's CSV."""


class Recomputed(NamedTuple):
    """The rows of a table as its CSV has them, every value as text, and what they were made from."""

    source: str
    rows: Sequence[Mapping[str, str]]


def recomputed(preset: Preset, stem: str) -> Recomputed | None:
    """Make a table anew: `stem` is its name without suffix. None where nothing here says how it is made.

    Raises:
        UserError: a file that it rests on is missing or broken.
    """
    found = maker(preset, *[*stem.split("."), "", ""][:3])
    if found is None:
        return None
    source, make = found
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        make(path)
        with path.open(encoding="utf-8", newline="") as handle:
            return Recomputed(source, list(csv.DictReader(handle)))


def maker(preset: Preset, kind: str, one: str, two: str) -> tuple[str, Maker] | None:
    """Return what a table is made from, and what writes it; `one` and `two` are the further words of its name."""
    whole: dict[str, tuple[str, Maker]] = {
        "runs": ("run.json of every run", lambda out: write_runs(preset.paths("run.json"), [out])),
        "realtime": ("realtime/*.json", partial(_realtime, preset)),
        "matrix": ("predictions", partial(_matrix, preset, write_matrix)),
        "ranking": ("predictions", partial(_matrix, preset, write_ranking)),
        "contrasts": ("predictions", partial(_matrix, preset, write_contrasts)),
        "sensitivity": ("predictions", partial(_sensitivity, preset)),
        "batch_tokens": ("batch_tokens/*.parquet", partial(_batch_tokens, preset)),
        "verdicts": ("predictions", partial(_verdicts, preset)),
        "audit": (f"data/{one}/audit.json", lambda out: write_audit(_border(preset, one, "audit.json"), [out])),
    }
    own = f"papers/{one}.yaml and the preset"
    of_paper: dict[str, tuple[str, Maker]] = {
        "ambiguities": (own, lambda out: write_ambiguities(preset.plan.papers[one], [out])),
        "claims": (own, lambda out: write_claims(preset.plan.papers[one], [out])),
        "split": (f"data/{two}/split.{one}.*.json", partial(_splits, preset, one, two)),
        "metrics": ("predictions", lambda out: write_metrics(_comparison(preset, one, two), [out])),
        "pairs": ("predictions", lambda out: write_pairs(_comparison(preset, one, two), [out])),
        "protocols": ("predictions", partial(_protocols, preset, one, two)),
    }
    if kind in preset.plan.papers:
        return "predictions", lambda out: _comparison(preset, kind, one, [out])
    return whole.get(kind) or (of_paper.get(kind) if one in preset.plan.papers else None)


def _comparison(preset: Preset, paper: str, data: str, outputs: Sequence[Path] = ()) -> Comparison:
    mine = _runs(preset, paper, data)
    with tempfile.TemporaryDirectory() as folder:
        files = preset.paths("predictions.parquet", mine), preset.paths("run.json", mine)
        return compare(
            preset.paper(paper), data, _scored(preset, mine, folder), *files, outputs, preset.plan.config.margin
        )


def _protocols(preset: Preset, paper: str, data: str, out: Path) -> None:
    training = preset.paths("training.csv", _runs(preset, paper, data))
    write_protocols(_comparison(preset, paper, data), training, [out])


def _verdicts(preset: Preset, out: Path) -> None:
    cells = sorted(
        {(run.paper, run.data) for run in preset.runs if not preset.plan.lent(run) and not preset.plan.switched(run)}
    )
    with tempfile.TemporaryDirectory() as folder:
        tables = [Path(folder, f"{paper}.{data}.csv") for paper, data in cells]
        for (paper, data), path in zip(cells, tables, strict=True):
            _comparison(preset, paper, data, [path])
        papers = [preset.plan.papers[name] for name in preset.plan.config.reproduce]
        write_verdicts(papers, tables, [out], preset.plan.config.margin)


def _matrix(preset: Preset, write: Callable[[Sequence[Comparison], Sequence[Path]], None], out: Path) -> None:
    mine = preset.plan.matrix()
    with tempfile.TemporaryDirectory() as folder:
        files = preset.paths("predictions.parquet", mine), preset.paths("run.json", mine)
        write(compare_all(list(preset.plan.papers.values()), _scored(preset, mine, folder), *files), [out])


def _sensitivity(preset: Preset, out: Path) -> None:
    plan = preset.plan
    papers = {name: plan.papers[name] for name in plan.config.sensitivity}
    write_sensitivity(plan.switches(), papers, preset.paths("predictions.parquet"), preset.paths("run.json"), [out])


def _runs(preset: Preset, paper: str, data: str) -> list[Run]:
    return [run for run in preset.plan.runs(paper) if run.data == data]


def _scored(preset: Preset, runs: Sequence[Run], folder: str) -> Path:
    """Score anew, for the stored scores may be of other predictions."""
    score(preset.paths("predictions.parquet", runs), Path(folder, "scores.parquet"))
    return Path(folder, "scores.parquet")


def _batch_tokens(preset: Preset, out: Path) -> None:
    write_batch_tokens(sorted(preset.folder.glob("batch_tokens/*.parquet")), [out])


def _realtime(preset: Preset, out: Path) -> None:
    write_realtime(sorted(preset.folder.glob("realtime/*.json")), [out], preset.plan.papers.values())


def _splits(preset: Preset, paper: str, data: str, out: Path) -> None:
    cells = [protocol for name, owner, protocol in preset.plan.splits() if (name, owner) == (data, paper)]
    write_splits([_border(preset, data, f"split.{paper}.{protocol}.json") for protocol in cells], [out])


def _border(preset: Preset, data: str, name: str) -> Path:
    """Return a file that the results keep of a data set."""
    path = preset.folder / "data" / data / name
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected what the table was made from. Run the workflow, or pull it.")
    return path
