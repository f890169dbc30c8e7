"""The front page of a preset: one HTML file that needs no network, no script and no other file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

import refer
from refer.errors import UserError
from refer.evaluation.reported import MARGIN
from refer.files import write_text
from refer.reporting import tables
from refer.reporting.audit import Audit, read_audit
from refer.reporting.claims import claims_table
from refer.reporting.compare import Comparison, build, duration
from refer.reporting.compare import tables as comparison_tables
from refer.reporting.evidence import Paper, Record, gather, read_records
from refer.reporting.front import front
from refer.reporting.layouts import printed_tables
from refer.reporting.listings import ambiguity_table, audit_table, runs_table
from refer.reporting.methods import metrics_table, recall_table
from refer.reporting.notes import energy, speed
from refer.reporting.overview import as_rows, verdict_table, verdicts
from refer.reporting.pairs import pair_table, pairs
from refer.reporting.protocol_tables import protocol_tables
from refer.reporting.protocols import by_run, effects, leaks
from refer.reporting.realtime import read_realtime, realtime_table
from refer.reporting.results import records
from refer.reporting.split_table import Split, read_splits, split_table

KINDS = (
    "overview",
    "forest",
    "pairs",
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
    training: Sequence[Path]
    forest: Sequence[Picture]
    pairs: Sequence[Picture]
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
    def dataset(self) -> str:
        """What people call the data set."""
        return tables.dataset_name(self.comparison.evidence.dataset)

    @property
    def main_table(self) -> Markup:
        """The comparison, as HTML."""
        return _html(*comparison_tables(self.comparison))

    @property
    def metrics_table(self) -> Markup:
        """What accuracy hides, as HTML."""
        return _html(metrics_table(self.comparison), recall_table(self.comparison))

    @property
    def pair_table(self) -> Markup:
        """Which methods differ, as HTML."""
        return _html(pair_table(self.comparison, pairs(self.comparison.evidence)))

    @property
    def protocol_tables(self) -> Markup:
        """What the protocols are worth, as HTML."""
        evidence = self.comparison.evidence
        found = leaks(evidence), effects(evidence, by_run(self.training))
        return _html(*protocol_tables(self.comparison, *found))

    @property
    def printed(self) -> Markup:
        """The paper's own tables and what its numbers can tell, as HTML."""
        rows = as_rows(records(self.comparison))
        mine = [each for each in self.paper.layout if self.comparison.evidence.dataset in each.datasets]
        return _html(*printed_tables(self.paper, rows, mine), claims_table(self.paper))

    @property
    def ambiguity_table(self) -> Markup:
        """What the paper leaves open, as HTML."""
        return _html(ambiguity_table(self.paper))


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
        return _html(audit_table(self.audit))


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
    training: Iterable[str | Path] = (),
    splits: Iterable[str | Path] = (),
    timings: Iterable[str | Path] = (),
    matrix: str | Path | None = None,
    sensitivity: str | Path | None = None,
    swings: str | Path | None = None,
    regenerate: Sequence[str] = REGENERATE,
    lacking: Sequence[str] = (),
    margin: float = MARGIN,
) -> None:
    """Write the front page `out`.

    Args:
        out: the HTML file.
        title: one line that says what this preset is.
        papers: the papers in order, with the choices for their ambiguities that were really used.
        scores: scores.parquet.
        predictions: every predictions.parquet.
        runs: every run.json.
        training: every training.csv; with them the page tells what the choice of the epoch is worth.
        audits: audit.json of every data set.
        splits: the files that say how papers divide data sets.
        timings: the files that say how long networks take for one face.
        matrix: the table of methods and data sets, as a page of its own.
        sensitivity: the table of what open questions are worth, likewise.
        swings: its figure.
        figures: one of KINDS → .svg or .png files, named as `refer.reporting.figures` names them. Of the
            confusion matrices, only those of methods for which the paper reports a number are embedded.
        regenerate: the commands that make this page again.
        lacking: figures that need images or networks and are not there; the page says that it goes without them.
        margin: that of the verdicts, in points.

    Raises:
        UserError: a file is missing, or the files do not fit together (see `evidence.gather`).
    """
    unknown = sorted(set(figures) - set(KINDS))
    if unknown:
        raise UserError(f"{out}: no figures of the kind {', '.join(unknown)}; expected {', '.join(KINDS)}.")
    predictions, runs = list(predictions), list(runs)
    known = read_records(runs)
    curves = list(map(Path, training))
    chapters = []
    for paper in papers:
        mine = (key for key, record in known.items() if key.paper == paper.id and record["dataset"] in paper.parts)
        for data in dict.fromkeys(key.data for key in mine):
            comparison = build(gather(paper, data, scores, predictions, runs), margin)
            chapters.append(_chapter(comparison, figures, curves))
    rows = as_rows(row for chapter in chapters for row in records(chapter.comparison))
    judged = verdicts(papers, rows)
    found = [read_audit(path) for path in audits]
    timed = list(timings)
    divided: dict[tuple[str, str], list[Split]] = {}
    for split in read_splits(splits):
        divided.setdefault((split.data, split.paper), []).append(split)
    page = tables.templates().get_template("page.html")
    text = page.render(
        title=title,
        preset=", ".join(dict.fromkeys(record["preset"] for record in known.values())),
        facts=_facts(list(known.values())) | _left_out(lacking),
        notices=_notices(list(known.values())),
        front=front(papers, judged),
        verdict_table=_html(verdict_table(papers, judged, margin)),
        overview=[
            embed(path, "Reported and reproduced accuracy of all papers")
            for path in _bitmap_first(figures.get("overview", ()))[:1]
        ],
        chapters=chapters,
        audits=[_audit_chapter(audit, figures, divided) for audit in found],
        matrix=_table_of(matrix) if matrix else None,
        sensitivity=_table_of(sensitivity) if sensitivity else None,
        swings=embed(swings, "What each option is worth, in points of accuracy") if swings else None,
        realtime=_html(realtime_table(read_realtime(timed), papers)) if timed else None,
        runs_table=_html(runs_table(list(known.values()))),
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


def _html(*those: tables.Table) -> Markup:
    return Markup("".join(tables.html(each) for each in those))


def _chapter(comparison: Comparison, figures: Mapping[str, Sequence[str | Path]], training: Sequence[Path]) -> Chapter:
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
        training=training,
        forest=[embed(path, f"Reported and reproduced accuracy, {name}") for path in forest],
        pairs=[embed(path, f"Which methods differ, {path.stem}") for path in _of(figures, "pairs", stem)],
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
        paths = [path for path in _bitmap_first(figures.get(kind, ())) if audit.data in path.stem.split(".")]
        return [embed(path, f"{kind} of {audit.data}") for path in paths[:1]]

    found = [_html(split_table(each)) for (data, _), each in divided.items() if data == audit.data]
    return AuditChapter(audit, of("audit"), of("classes"), of("sheets"), of("copies"), found)


def _of(figures: Mapping[str, Sequence[str | Path]], kind: str, stem: str) -> list[Path]:
    """Return one file per figure of a paper on a data set, the bitmap where both are given."""
    chosen: dict[str, Path] = {}
    for path in _bitmap_first(figures.get(kind, ())):
        if path.stem == stem or path.stem.startswith(f"{stem}."):
            chosen.setdefault(path.stem, path)
    return list(chosen.values())


def _bitmap_first(paths: Iterable[str | Path]) -> list[Path]:
    # Three times as large, letters as outlines would make a page of many figures slow to open.
    return sorted(map(Path, paths), key=lambda path: path.suffix != ".png")


def _table_of(page: str | Path) -> Markup:
    """Return what stands in the body of a table's own page."""
    text = Path(page).read_text(encoding="utf-8")
    return Markup(text.partition("<body>")[2].partition("</body>")[0])


def _notices(records: Sequence[Record]) -> list[str]:
    """Return the sentence that names everything drawn, if anything is."""
    drawn = sorted({tables.dataset_name(record["dataset"]) for record in records if record["stand_in"]})
    names = " and ".join([", ".join(drawn[:-1]), drawn[-1]] if len(drawn) > 1 else drawn)
    return [f"Drawn stand-in data: these numbers say nothing about {names}"] if drawn else []


def _left_out(lacking: Sequence[str]) -> dict[str, str]:
    """Return the fact that figures are left out, if any are."""
    kinds = dict.fromkeys(Path(path).relative_to(Path(path).parents[1]).parts[0] for path in lacking)
    return {"Not shown": f"figures made from images or networks ({', '.join(kinds)})"} if kinds else {}


def _facts(records: Sequence[Record]) -> dict[str, str]:
    """Return what ran, on which data, at what cost."""
    datasets = dict.fromkeys((r["dataset"], r["stand_in"]) for r in records)
    names = [tables.dataset_name(d) + (" (drawn)" if drawn else "") for d, drawn in datasets]
    epochs = sorted({r["epochs"] for r in records if r["epochs"]}) or [0]
    cells = ("method", "protocol", "seed")
    devices = dict.fromkeys(f"{r['device_name']} ({r['device']})" for r in records)
    return {
        "Data": ", ".join(names),
        "Papers": ", ".join(dict.fromkeys(r["paper"].partition("+")[0] for r in records)),
        "Runs": f"{len(records)} ({', '.join(tables.several(len({r[key] for r in records}), key) for key in cells)})",
        "Epochs": str(epochs[0]) if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}",
        "Initial weights": ", ".join(dict.fromkeys(r["initial_weights"] for r in records)),
        "Training time": f"{duration(sum(r['seconds'] for r in records))} in all",
        "Speed": f"{speed(records)} (median)",
        "Energy": energy(records),
        "Device": ", ".join(devices),
    }
