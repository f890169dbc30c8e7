"""The front page of a preset: one HTML file that needs no network, no script and no other file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

import refer
from refer.errors import UserError
from refer.files import write_text
from refer.reporting import tables
from refer.reporting.audit import Audit, read_audit
from refer.reporting.compare import Comparison, Result, build, duration, metrics_table
from refer.reporting.compare import tables as comparison_tables
from refer.reporting.evidence import Paper, Record, gather, read_records
from refer.reporting.listings import ambiguity_table, audit_table, runs_table
from refer.reporting.notes import speed
from refer.reporting.realtime import read_realtime, realtime_table
from refer.reporting.split_table import Split, read_splits, split_table

KINDS = (
    "forest",
    "curves",
    "confusion",
    "composed",
    "representations",
    "attention",
    "audit",
    "classes",
    "sheets",
    "copies",
)
REGENERATE = ("snakemake --cores all",)
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it: `uri` holds the image itself."""

    stem: str
    uri: str
    alt: str


@dataclass(frozen=True)
class Chapter:
    """What the page says about one paper on one data set."""

    comparison: Comparison
    headlines: Sequence[str]
    forest: Sequence[Picture]
    confusion: Sequence[Picture]
    more_confusion: Sequence[Picture]
    curves: Sequence[Picture]
    composed: Sequence[Picture]
    representations: Sequence[Picture]
    attention: Sequence[Picture]

    @property
    def paper(self) -> Paper:
        """The paper."""
        return self.comparison.evidence.paper

    @property
    def main_table(self) -> Markup:
        """The comparison, as HTML."""
        return Markup("".join(tables.html(each) for each in comparison_tables(self.comparison)))

    @property
    def metrics_table(self) -> Markup:
        """What accuracy hides, as HTML."""
        return Markup(tables.html(metrics_table(self.comparison)))

    @property
    def ambiguity_table(self) -> Markup:
        """What the paper leaves open, as HTML."""
        return Markup(tables.html(ambiguity_table(self.paper)))


@dataclass(frozen=True)
class AuditChapter:
    """What the page says about one data set."""

    audit: Audit
    pictures: Sequence[Picture]
    classes: Sequence[Picture]
    sheets: Sequence[Picture]
    copies: Sequence[Picture]
    splits: Sequence[Markup]

    @property
    def table(self) -> Markup:
        """The audit's findings, as HTML."""
        return Markup(tables.html(audit_table(self.audit)))


def write_page(
    out: str | Path,
    *,
    title: str,
    papers: Sequence[Paper],
    scores: str | Path,
    predictions: Iterable[str | Path],
    runs: Iterable[str | Path],
    audits: Iterable[str | Path],
    figures: Mapping[str, Sequence[str | Path]],
    splits: Iterable[str | Path] = (),
    timings: Iterable[str | Path] = (),
    matrix: str | Path | None = None,
    regenerate: Sequence[str] = REGENERATE,
) -> None:
    """Write the front page `out`.

    Args:
        out: the HTML file.
        title: one line that says what this preset is.
        papers: the papers in order, with the choices for their ambiguities that were really used.
        scores: scores.parquet.
        predictions: every predictions.parquet.
        runs: every run.json.
        audits: audit.json of every data set.
        splits: the files that say how papers divide data sets.
        timings: the files that say how long networks take for one face.
        matrix: the table of methods and data sets, as a page of its own.
        figures: one of KINDS → .svg or .png files, named as `refer.reporting.figures` names them. Of the
            confusion matrices, only those of methods for which the paper reports a number are embedded.
        regenerate: the commands that make this page again.

    Raises:
        UserError: a file is missing, or the files do not fit together (see `evidence.gather`).
    """
    unknown = sorted(set(figures) - set(KINDS))
    if unknown:
        raise UserError(f"{out}: no figures of the kind {', '.join(unknown)}; expected {', '.join(KINDS)}.")
    predictions, runs = list(predictions), list(runs)
    records = read_records(runs)
    chapters = []
    for paper in papers:
        mine = (key for key, record in records.items() if key.paper == paper.id and record["dataset"] in paper.parts)
        for data in dict.fromkeys(key.data for key in mine):
            comparison = build(gather(paper, data, scores, predictions, runs))
            chapters.append(_chapter(comparison, figures))
    found = [read_audit(path) for path in audits]
    timed = list(timings)
    divided: dict[tuple[str, str], list[Split]] = {}
    for split in read_splits(splits):
        divided.setdefault((split.data, split.paper), []).append(split)
    page = tables.templates().get_template("page.html")
    text = page.render(
        title=title,
        preset=", ".join(dict.fromkeys(record["preset"] for record in records.values())),
        facts=_facts(list(records.values())),
        notices=_notices(list(records.values())),
        chapters=chapters,
        audits=[_audit_chapter(audit, figures, divided) for audit in found],
        matrix=_table_of(matrix) if matrix else None,
        realtime=Markup(tables.html(realtime_table(read_realtime(timed), papers))) if timed else None,
        runs_table=Markup(tables.html(runs_table(list(records.values())))),
        regenerate=regenerate,
        version=refer.__version__,
    )
    write_text(out, text)


def embed(path: str | Path, alt: str) -> Picture:
    """Return a figure with its content as a data URI. Raises UserError where it is missing."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such figure; draw the figures before the page.")
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return Picture(path.stem, f"data:{_TYPES[path.suffix]};base64,{content}", alt)


def _chapter(comparison: Comparison, figures: Mapping[str, Sequence[str | Path]]) -> Chapter:
    evidence = comparison.evidence
    name = f"{evidence.paper.id} on {evidence.data}"
    stem = f"{evidence.paper.id}.{evidence.data}"
    forest = _of(figures, "forest", stem)
    curves = _of(figures, "curves", stem)
    claimed = dict.fromkeys(r.method for r in comparison.results if r.reported)
    shown = list(claimed) or [comparison.results[0].method]
    order = [
        f"{stem}.{protocol}.{method}.{part}"
        for method in shown
        for part in reversed(evidence.parts)  # the last part is the test set proper
        for protocol in reversed(evidence.protocols)
    ]
    matrices = {path.stem: path for path in _of(figures, "confusion", stem)}
    confusion = [embed(matrices[key], f"Confusion matrices: {key}") for key in order if key in matrices]
    return Chapter(
        comparison=comparison,
        headlines=[
            _headline(r, evidence.stand_in) for r in comparison.results if r.reported and r.part == evidence.parts[-1]
        ],
        forest=[embed(path, f"Reported and reproduced accuracy, {name}") for path in forest],
        confusion=confusion[:1],
        more_confusion=confusion[1:],
        curves=[embed(path, f"Training curves, {path.stem}") for path in curves],
        composed=[embed(path, f"Faces on backgrounds, {path.stem}") for path in _of(figures, "composed", stem)],
        representations=[
            embed(path, f"Representation space, {path.stem}") for path in _of(figures, "representations", stem)
        ],
        attention=[embed(path, f"Where the network looks, {path.stem}") for path in _of(figures, "attention", stem)],
    )


def _audit_chapter(
    audit: Audit, figures: Mapping[str, Sequence[str | Path]], divided: Mapping[tuple[str, str], Sequence[Split]]
) -> AuditChapter:
    def of(kind: str) -> list[Picture]:
        paths = [path for path in _vector_first(figures.get(kind, ())) if audit.data in path.stem.split(".")]
        return [embed(path, f"{kind} of {audit.data}") for path in paths[:1]]

    found = [Markup(tables.html(split_table(each))) for (data, _), each in divided.items() if data == audit.data]
    return AuditChapter(audit, of("audit"), of("classes"), of("sheets"), of("copies"), found)


def _of(figures: Mapping[str, Sequence[str | Path]], kind: str, stem: str) -> list[Path]:
    """Return one file per figure of a paper on a data set, the vector one where both are given."""
    chosen: dict[str, Path] = {}
    for path in _vector_first(figures.get(kind, ())):
        if path.stem == stem or path.stem.startswith(f"{stem}."):
            chosen.setdefault(path.stem, path)
    return list(chosen.values())


def _vector_first(paths: Iterable[str | Path]) -> list[Path]:
    return sorted(map(Path, paths), key=lambda path: path.suffix != ".svg")


def _headline(r: Result, stand_in: bool) -> str:
    """Return reported against reproduced in one sentence."""
    where = f"{r.split} of the drawn stand-in" if stand_in else r.split
    interval = f"95 % interval {100 * r.interval.low:.1f} to {100 * r.interval.high:.1f}"
    return (
        f"{r.label}: reported {r.reported[0].value:g} %, reproduced {r.mean:.1f} % ({interval}) on {where}, "
        f"{r.protocol} protocol, n = {r.n:,}: {tables.signed(r.difference)} points."
    )


def _table_of(page: str | Path) -> Markup:
    """Return what stands in the body of a table's own page."""
    text = Path(page).read_text(encoding="utf-8")
    return Markup(text.partition("<body>")[2].partition("</body>")[0])


def _notices(records: Sequence[Record]) -> list[str]:
    """Return the sentence that names everything drawn, if anything is."""
    drawn = sorted({tables.dataset_name(record["dataset"]) for record in records if record["stand_in"]})
    names = " and ".join([", ".join(drawn[:-1]), drawn[-1]] if len(drawn) > 1 else drawn)
    return [f"Drawn stand-in data: these numbers say nothing about {names}"] if drawn else []


def _facts(records: Sequence[Record]) -> dict[str, str]:
    """Return what ran, on which data, at what cost."""
    datasets = dict.fromkeys((r["dataset"], r["stand_in"]) for r in records)
    names = [tables.dataset_name(d) + (" (drawn stand-in)" if drawn else "") for d, drawn in datasets]
    epochs = sorted({r["epochs"] for r in records if r["epochs"]}) or [0]
    cells = ("method", "protocol", "seed")
    devices = dict.fromkeys(f"{r['device_name']} ({r['device']})" for r in records)
    return {
        "Data": ", ".join(names),
        "Papers": ", ".join(dict.fromkeys(r["paper"] for r in records)),
        "Runs": f"{len(records)} ({', '.join(tables.several(len({r[key] for r in records}), key) for key in cells)})",
        "Epochs": str(epochs[0]) if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}",
        "Initial weights": ", ".join(dict.fromkeys(r["initial_weights"] for r in records)),
        "Training time": f"{duration(sum(r['seconds'] for r in records))} in all",
        "Speed": f"{speed(records)} (median)",
        "Device": ", ".join(devices),
    }
