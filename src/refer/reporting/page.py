"""The front page of a preset: one HTML file that needs no network, no script and no other file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

import refer
from refer.errors import UserError
from refer.evaluation.reported import MARGIN
from refer.files import write_text
from refer.reporting.audit import read_audit
from refer.reporting.chapters import as_html, audit_chapter, chapter, drawing_first
from refer.reporting.evidence import Paper, Record, gather, precision_of, read_records
from refer.reporting.front import front
from refer.reporting.pictures import embed
from refer.reporting.results import records
from refer.reporting.tables.compare import build, duration
from refer.reporting.tables.listings import runs_table
from refer.reporting.tables.notes import energy, speed
from refer.reporting.tables.overview import as_rows, verdict_table, verdicts
from refer.reporting.tables.realtime import read_realtime, realtime_table
from refer.reporting.tables.splits import Split, read_splits
from refer.reporting.tables.table import dataset_name, several, templates

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
    ranking: Sequence[str | Path] = (),
    ranked: str | Path | None = None,
    sensitivity: str | Path | None = None,
    swings: str | Path | None = None,
    batch_tokens: str | Path | None = None,
    batches: str | Path | None = None,
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
        ranking: the tables of all methods in one order and of what single things are worth, likewise.
        ranked: the ranking's figure.
        sensitivity: the table of what open questions are worth, likewise.
        swings: its figure.
        batch_tokens: the table of test batches of several sizes and orders, likewise.
        batches: its figure.
        figures: one of KINDS → .svg or .png files, named as the functions of `refer.reporting.figures` say. Of the
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
            chapters.append(chapter(comparison, figures, curves))
    rows = as_rows(row for each in chapters for row in records(each.comparison))
    judged = verdicts(papers, rows)
    found = [read_audit(path) for path in audits]
    timed = list(timings)
    divided: dict[tuple[str, str], list[Split]] = {}
    for split in read_splits(splits):
        divided.setdefault((split.data, split.paper), []).append(split)
    page = templates().get_template("page.html")
    text = page.render(
        title=title,
        preset=", ".join(dict.fromkeys(record["preset"] for record in known.values())),
        facts=_facts(list(known.values())) | _left_out(lacking),
        notices=_notices(list(known.values())),
        front=front(papers, judged),
        verdict_table=as_html(verdict_table(papers, judged, margin)),
        overview=[
            embed(path, "Reported and reproduced accuracy of all papers")
            for path in drawing_first(figures.get("overview", ()))[:1]
        ],
        chapters=chapters,
        audits=[audit_chapter(audit, figures, divided) for audit in found],
        matrix=_table_of(matrix) if matrix else None,
        ranking=[_table_of(path) for path in ranking],
        ranked=embed(ranked, "All methods, from the best to the worst") if ranked else None,
        sensitivity=_table_of(sensitivity) if sensitivity else None,
        swings=embed(swings, "What each option is worth, in points of accuracy") if swings else None,
        batch_tokens=_table_of(batch_tokens) if batch_tokens else None,
        batches=embed(batches, "Accuracy by the size and the order of test batches") if batches else None,
        realtime=as_html(realtime_table(read_realtime(timed), papers)) if timed else None,
        runs_table=as_html(runs_table(list(known.values()))),
        regenerate=regenerate,
        version=refer.__version__,
    )
    write_text(out, text)


def _table_of(page: str | Path) -> Markup:
    """Return what stands in the body of a table's own page."""
    text = Path(page).read_text(encoding="utf-8")
    return Markup(text.partition("<body>")[2].partition("</body>")[0])


def _notices(records: Sequence[Record]) -> list[str]:
    """Return the sentence that names everything drawn, if anything is."""
    drawn = sorted({dataset_name(record["dataset"]) for record in records if record["stand_in"]})
    names = " and ".join([", ".join(drawn[:-1]), drawn[-1]] if len(drawn) > 1 else drawn)
    return [f"Drawn stand-in data: these numbers say nothing about {names}"] if drawn else []


def _left_out(lacking: Sequence[str]) -> dict[str, str]:
    """Return the fact that figures are left out, if any are."""
    kinds = dict.fromkeys(Path(path).relative_to(Path(path).parents[1]).parts[0] for path in lacking)
    return {"Not shown": f"figures made from images or networks ({', '.join(kinds)})"} if kinds else {}


def _facts(records: Sequence[Record]) -> dict[str, str]:
    """Return what ran, on which data, at what cost."""
    datasets = dict.fromkeys((r["dataset"], r["stand_in"]) for r in records)
    names = [dataset_name(d) + (" (drawn)" if drawn else "") for d, drawn in datasets]
    epochs = sorted({r["epochs"] for r in records if r["epochs"]}) or [0]
    cells = ("method", "protocol", "seed")
    devices = dict.fromkeys(f"{r['device_name']} ({r['device']}, {precision_of(r)})" for r in records if r["epochs"])
    return {
        "Data": ", ".join(names),
        "Papers": ", ".join(dict.fromkeys(r["paper"].partition("+")[0] for r in records)),
        "Runs": f"{len(records)} ({', '.join(several(len({r[key] for r in records}), key) for key in cells)})",
        "Epochs": str(epochs[0]) if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}",
        "Initial weights": ", ".join(dict.fromkeys(r["initial_weights"] for r in records)),
        "Training time": f"{duration(sum(r['seconds'] for r in records))} in all",
        "Speed": f"{speed(records)} (median)",
        "Energy": energy(records),
        "Device": ", ".join(devices),
    }
