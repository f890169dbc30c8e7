"""Methods × data sets: what every method of every paper reaches on every data set, under the audited protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from refer.reporting.evidence import Evidence, Paper, gather, read_records
from refer.reporting.matrix_cells import PROTOCOL, Columns, Entry, Row, by_data, facts, record
from refer.reporting.names import listing, span
from refer.reporting.results import Comparison, build
from refer.reporting.tables.latex import LATEX_ROWS
from refer.reporting.tables.notes import cost, departure_notes, epoch_rules, interval_note, rules_told
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Table,
    dataset_name,
    number,
    several,
    thousands,
    write_faces,
)

BASELINE = "Always the commonest class"


def write_matrix(comparisons: Sequence[Comparison], outputs: Iterable[str | Path]) -> None:
    """Write the table of methods and data sets to every path of `outputs` (.csv, .md, .tex, .html).

    Raises:
        UserError: nothing of `comparisons` (see `compare_all`) is audited.
    """
    write_faces(matrix_records(comparisons), [matrix_table(comparisons)], outputs)


def compare_all(
    papers: Sequence[Paper], scores: str | Path, predictions: Iterable[str | Path], runs: Iterable[str | Path]
) -> list[Comparison]:
    """Return the audited results of every paper on every data set that it ran on.

    Args:
        papers: the papers in order; each knows the parts of every data set that its methods ran on.
        scores: scores.parquet.
        predictions: every predictions.parquet; those of other protocols are ignored.
        runs: every run.json; likewise.

    Raises:
        UserError: the files do not fit together (see `evidence.gather`).
    """
    predicted, recorded = _audited(predictions), _audited(runs)
    cells = list(dict.fromkeys((key.paper, key.data) for key in read_records(recorded)))
    return [
        build(gather(paper, data, scores, predicted, recorded))
        for paper in papers
        for name, data in cells
        if name == paper.id
    ]


def matrix_records(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Return the rows of the CSV, one per method and data set; `mean` to `high` and `majority` are in percent."""
    return [record(entry) for entries in by_data(comparisons).values() for entry in entries]


def matrix_table(comparisons: Sequence[Comparison]) -> Table:
    """Return the table: a row per method, by paper, and for each data set accuracy, 95 % confidence interval and n.

    Of each comparison the audited results on the test set count.

    Raises:
        UserError: there are none.
    """
    data = by_data(comparisons)
    papers = {comparison.evidence.paper.id: comparison.evidence.paper for comparison in comparisons}
    rows: dict[Row, dict[str, Entry]] = {(name, key): {} for name, paper in papers.items() for key in paper.methods}
    for name, entries in data.items():
        for entry in entries:
            rows[entry.row][name] = entry
    rows = {row: found for row, found in rows.items() if found}
    columns = [Column("Paper"), Column("Method")]
    for name, title in _titles(data).items():
        differ = _sizes_differ(data[name])
        group = title if differ else f"{title}, n = {thousands(data[name][0].result.n)}"
        heads = ["Accuracy", "95 % CI", *(["n"] if differ else [])]
        columns += [Column(head, group, right=True) for head in heads]
    lettered, marks = facts({row: list(found.values()) for row, found in rows.items()})
    over_folds = _over_folds(data, len(lettered))
    blocks = [
        [_row(found, data, marks.get(row, ""), over_folds) for row, found in rows.items() if row[0] == name]
        for name in papers
    ]
    blocks = [block for block in blocks if block]
    if len(rows) < LATEX_ROWS:
        blocks.append([])  # in LaTeX each block of a longer table is a float, and one row is none
    blocks[-1].append(_baseline(data))
    return Table(
        name="matrix",
        title=f"Accuracy (%) of {several(len(rows), 'method')} on {several(len(data), 'data set')}, {PROTOCOL}",
        columns=columns,
        blocks=blocks,
        notes=[*lettered, *([over_folds] if over_folds else []), *map(Note, _notes(data, rows))],
        banner=_banner(data),
    )


def _audited(paths: Iterable[str | Path]) -> list[Path]:
    """Return the paths …/<paper>/<data>/audited/<method>/seed<k>/<file>."""
    return [path for path in map(Path, paths) if path.absolute().parts[-4:-3] == (PROTOCOL,)]


def _row(found: Mapping[str, Entry], data: Columns, mark: str, over_folds: Note | None) -> list[Cell]:
    first = next(iter(found.values()))
    cells = [Cell(first.row[0]), Cell(first.result.label, mark=mark)]
    for name, entries in data.items():
        entry, differ = found.get(name), _sizes_differ(entries)
        if entry is None:
            cells += [Cell(DASH)] * (2 + differ)
            continue
        r, (sd, over) = entry.result, entry.spread
        text = number(r.mean) if sd is None else f"{number(r.mean)} ± {sd:.1f}"
        letter = over_folds.mark if over_folds and over == "folds" else ""
        cells.append(Cell(text, bold=r.mean == max(each.result.mean for each in entries), mark=letter))
        cells.append(Cell(f"{100 * r.interval.low:.1f}{DASH}{100 * r.interval.high:.1f}"))
        cells += [Cell(thousands(r.n))] if differ else []
    return cells


def _baseline(data: Columns) -> list[Cell]:
    """Return the row of those who look at nothing; a span where methods were tested on different images."""
    cells = [Cell(""), Cell(BASELINE)]
    for entries in data.values():
        values = sorted({round(entry.majority[1], 1) for entry in entries})
        text = DASH.join(map(number, dict.fromkeys([values[0], values[-1]])))
        cells += [Cell(text), Cell(""), *([Cell("")] if _sizes_differ(entries) else [])]
    return cells


def _sizes_differ(entries: Sequence[Entry]) -> bool:
    return len({entry.result.n for entry in entries}) > 1


def _titles(data: Columns) -> dict[str, str]:
    """Return the data sets' names; where some are drawn and some real, the drawn ones are marked."""
    drawn = {name: entries[0].evidence.stand_in for name, entries in data.items()}
    mixed = len(set(drawn.values())) > 1
    return {
        name: f"{dataset_name(entries[0].evidence.dataset)}{' (drawn)' if mixed and drawn[name] else ''}"
        for name, entries in data.items()
    }


def _banner(data: Columns) -> str:
    drawn = [dataset_name(entries[0].evidence.dataset) for entries in data.values() if entries[0].evidence.stand_in]
    if not drawn:
        return ""
    if len(drawn) == len(data):
        return f"Drawn stand-in data: these numbers say nothing about {listing(drawn)}"
    return f"Drawn stand-in data in the columns marked (drawn): those numbers say nothing about {listing(drawn)}"


def _over_folds(data: Columns, used: int) -> Note | None:
    """Return the note for the cells whose spread is over folds, where that of others is over seeds."""
    kinds = {entry.spread[1] for entries in data.values() for entry in entries} - {""}
    text = "Standard deviation over the folds of a single seed, not over seeds."
    return Note(text, "abcd"[used]) if len(kinds) > 1 else None


def _notes(data: Columns, rows: Mapping[Row, object]) -> list[str]:
    titles = _titles(data)
    everything = [entry for entries in data.values() for entry in entries]
    kinds = {entry.spread[1] for entry in everything} - {""}
    over = "the folds of a single seed" if kinds == {"folds"} else "seeds"
    absent = " A single run has none." if any(entry.spread[1] == "" for entry in everything) else ""
    spread = f"mean ± standard deviation over {over} (n − 1 in the denominator).{absent}" if kinds else "of one seed."
    notes = [
        f"Accuracy: {spread} Bold: the highest mean of a column, which alone does not make it better than the next. "
        f"{DASH}: not run, as where a data set lacks the infrared images that a method needs.",
        interval_note((entry.result for entry in everything), "95 % CI"),
        *(_division(titles[name], entries) for name, entries in data.items()),
        *(text for name, entries in data.items() for text in _different_images(titles[name], entries)),
    ]
    classes = ", ".join(
        f"{' or '.join(dict.fromkeys(entry.majority[0] for entry in entries))} on {titles[name]}"
        for name, entries in data.items()
    )
    notes.append(f"{BASELINE}: what one reaches who names it for every image ({classes}), counted on the test images.")
    papers = {entry.row[0]: entry.evidence.paper for entry in everything}
    notes += [note.text for note in departure_notes(papers.values())]
    return [*notes, f"Cost: {cost([run for entry in everything for run in entry.records])}."]


def _division(title: str, entries: Sequence[Entry]) -> str:
    """Say how a data set is divided, which epoch is tested, and what the audit removed; by paper if they differ."""
    texts: dict[str, list[str]] = {}
    for entry in entries:
        names = texts.setdefault(_divided(entry.evidence, [e for e in entries if e.row[0] == entry.row[0]]), [])
        if entry.row[0] not in names:
            names.append(entry.row[0])
    told = [text if len(texts) == 1 else f"{listing(names)}: {text}" for text, names in texts.items()]
    return f"{title}: {'. '.join(told)}."


def _divided(evidence: Evidence, entries: Sequence[Entry]) -> str:
    """Say how one paper's methods are learnt and tested on a data set."""
    runs = [run for entry in entries for run in entry.records]
    found = {part for run in runs for part in run["parts"]}
    text = listing(split for part, split in evidence.paper.parts[evidence.dataset].items() if part in found)
    folds = sorted({fold for entry in entries for fold in entry.result.folds})
    if folds:
        wanted = evidence.paper.folds.get(evidence.dataset, len(folds))
        done = "all" if len(folds) == wanted else listing(map(str, folds))
        text += f" in {wanted} folds of other people ({done} run)"
    text += f"; tested on {entries[0].result.split}"
    removed = [entry.result.removed for entry in entries]
    if any(removed):
        text += f", {span(removed)} of {span(e.result.n + e.result.removed for e in entries)} images removed"
    rules = epoch_rules(evidence, (run for entry in entries for run in entry.runs))
    return f"{text}; epoch: {rules_told(rules)}" if rules else text


def _different_images(title: str, entries: Sequence[Entry]) -> list[str]:
    """Say whether the methods of a column were tested on different images, and how many all share."""
    sets = {entry.images for entry in entries}
    if len(sets) == 1:
        return []
    common = several(len(frozenset.intersection(*sets)), "image")
    return [f"{title}: not all methods were tested on the same images; all share {common}."]
