"""What each row of a paper's table rests on: the lettered footnotes, each from what was run."""

from __future__ import annotations

from refer.reporting.evidence import Evidence, Record, in_batches
from refer.reporting.names import listing
from refer.reporting.results import Comparison
from refer.reporting.tables.table import Note

Row = tuple[str, str]
"""Protocol and method."""


def row_notes(comparison: Comparison, used: int) -> tuple[list[Note], dict[Row, str]]:
    """Return the notes on what rows rest on, and the letters of each row; `used` letters are taken.

    What holds for every row needs no letter.
    """
    evidence = comparison.evidence
    notes, marks = [], dict.fromkeys(comparison.rows, "")
    for describe in (_parents, _learns, _composition, _reads_batch, _weights):
        groups: dict[str, list[Row]] = {}
        for row in comparison.rows:
            for text in dict.fromkeys(describe(evidence, record) for record in evidence.records_of(evidence.of(*row))):
                if text:
                    groups.setdefault(text, []).append(row)
        for text, rows in groups.items():
            if len(rows) == len(marks):
                notes.append(Note(f"Every method {text}."))
                continue
            letter = "abcdefghijklmnopqrstuvwxyz"[used % 26]
            used += 1
            notes.append(Note(f"{text[0].upper()}{text[1:]}.", letter))
            for row in rows:
                marks[row] += f", {letter}" if marks[row] else letter
    return sorted(notes, key=lambda note: not note.mark), marks


def _parents(evidence: Evidence, record: Record) -> str:
    parents = dict.fromkeys((record.get("starts_from") or {}).values())
    again = "seed and fold" if record.get("fold") is not None else "seed"
    if tested := record.get("tests"):
        return f"tests the network of “{evidence.paper.methods[tested].label}” of the same {again}"
    names = listing(f"“{evidence.paper.methods[name].label}”" for name in parents) if parents else ""
    return f"goes on from the trained {names} of the same {again}" if names else ""


def _learns(_: Evidence, record: Record) -> str:
    return "" if record["epochs"] or record.get("tests") else "has nothing to train"


def _composition(_: Evidence, record: Record) -> str:
    recipe = record["recipe"]
    if not recipe.get("compose"):
        return ""
    told = {True: "faces composed on backgrounds", False: "the images as they are"}
    learnt, tested = (told[recipe.get(key, True)] for key in ("compose_train", "compose_test"))
    return f"learns from {learnt}, is tested on {'such' if learnt == tested else tested}"


def _reads_batch(_: Evidence, record: Record) -> str:
    return in_batches(record)


def _weights(evidence: Evidence, record: Record) -> str:
    claimed, actual = _claimed_weights(evidence, record["method"]), record["initial_weights"]
    if claimed is None or actual.split(" (")[0] == claimed:
        return ""
    start = "scratch" if actual.startswith("none") else actual
    return f"starts from {start}, where the paper's file says {'scratch' if claimed == 'none' else claimed}"


def _claimed_weights(evidence: Evidence, method: str) -> str | None:
    """Return the initial weights that the paper's file names for a method; None where the preset keeps to it."""
    for key in (f"methods.{method}.network.weights", "network.weights"):
        if key in evidence.paper.departures:
            _, was, before = evidence.paper.departures[key].partition(" (was: ")
            return before.removesuffix(")") if was else "none"
        if "weights" in evidence.paper.methods[method].network:
            return None
    return None
