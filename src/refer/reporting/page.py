"""The front page of a preset: one HTML file that needs no network and no other file.

Its script only adds sorting and filtering to tables; without it every word is there. No other script may run in it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

from markupsafe import Markup

import refer
from refer.errors import UserError
from refer.files import write_text
from refer.reporting.alt_texts import of_options, of_ranking, of_verdicts
from refer.reporting.audit import read_audit
from refer.reporting.pictures import embed
from refer.reporting.report import Report
from refer.reporting.results import unique
from refer.reporting.run_set import Record, precision_of
from refer.reporting.sections import audit_section, drawing_first, section
from refer.reporting.summary import summary
from refer.reporting.tables.batch_tokens import batch_token_tables, read_batch_tokens
from refer.reporting.tables.notes import duration, energy, speed
from refer.reporting.tables.realtime import read_realtime, realtime_table
from refer.reporting.tables.splits import Split, read_splits
from refer.reporting.tables.table import Row, dataset_name, several
from refer.reporting.tables.write import html, templates

KINDS = (
    "overview",
    "ranking",
    "sensitivity",
    "batch_tokens",
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
    report: Report,
    audits: Iterable[str | Path],
    figures: Mapping[str, Sequence[str | Path]],
    splits: Iterable[str | Path] = (),
    timings: Iterable[str | Path] = (),
    batch_tokens: Iterable[str | Path] = (),
    regenerate: Sequence[str] = REGENERATE,
    lacking: Sequence[str] = (),
) -> None:
    """Write the front page `out`.

    Args:
        out: the HTML file.
        title: one line that says what this preset is.
        report: the tables of the preset.
        audits: audit.json of every data set.
        figures: one of KINDS → .svg or .png files, named as `refer.reporting.figures` names them. Of the confusion
            matrices, only those of methods for which the paper reports a number are embedded.
        splits: the files that say how papers divide data sets.
        timings: the files that say how long networks take for one face.
        batch_tokens: what was measured of test batches of several sizes and orders.
        regenerate: the commands that make this page again.
        lacking: figures that need images or networks and are not there; the page says that it goes without them.

    Raises:
        UserError: a file is missing, or the files do not fit together.
    """
    unknown = sorted(set(figures) - set(KINDS))
    if unknown:
        raise UserError(f"{out}: no figures of the kind {', '.join(unknown)}; expected {', '.join(KINDS)}.")
    records = list(report.records.values())
    timed, measured = list(timings), list(batch_tokens)
    divided: dict[tuple[str, str], list[Split]] = {}
    for split in read_splits(splits):
        divided.setdefault((split.data, split.paper), []).append(split)
    shown = {
        "overview": of_verdicts(report.verdicts),
        "ranking": of_ranking(_rows(report, "ranking")) if report.asked.ranked else "",
        "sensitivity": of_options(_rows(report, "sensitivity")) if report.asked.switches else "",
        "batch_tokens": "Lines: accuracy by the size of test batches, one a paper and order of the test images.",
    }
    script = (resources.files("refer.reporting.tables") / "templates/page.js").read_text(encoding="utf-8")
    text = templates().get_template("page.html").render(
        title=title,
        preset=", ".join(unique(record["preset"] for record in records)),
        facts=_facts(records) | _left_out(lacking),
        notices=_notices(records),
        summary=summary(report.papers, report.verdicts),
        verdict_table=html(*report.tables("verdicts")),
        sections=[section(comparison, figures) for comparison in report.comparisons],
        audits=[audit_section(read_audit(path), figures, divided) for path in audits],
        matrix=html(*report.tables("matrix")) if report.asked.ranked else None,
        ranking=html(*report.tables("ranking"), *report.tables("contrasts")) if report.asked.ranked else None,
        sensitivity=html(*report.tables("sensitivity")) if report.asked.switches else None,
        batch_tokens=html(*batch_token_tables(read_batch_tokens(measured))) if measured else None,
        drawn={kind: [embed(path, alt) for path in drawing_first(figures.get(kind, ()))[:1]]
               for kind, alt in shown.items()},
        realtime=html(realtime_table(read_realtime(timed), report.papers)) if timed else None,
        runs_table=html(*report.tables("runs")),
        regenerate=regenerate,
        version=refer.__version__,
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )  # fmt: skip
    write_text(out, text)


def _rows(report: Report, name: str) -> list[Row]:
    return [row for table in report.tables(name) for row in table.rows]


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
