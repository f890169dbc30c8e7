"""Which methods differ: every two of a paper's methods on the same test images, with intervals and p values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from refer.evaluation.paired import Difference, holm
from refer.evaluation.predictions import Predictions
from refer.reporting.answers import Answers, compared
from refer.reporting.evidence import Evidence
from refer.reporting.names import span
from refer.reporting.results import Comparison
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Table,
    dataset_name,
    probability,
    signed,
    stand_in_notice,
    thousands,
)

NOTE = (
    "Difference: accuracy of the method less that of the other, in points, with its 95 % interval, on the images that "
    "both were tested on, seed by seed."
)
TESTS = {
    "mcnemar": "for a single seed exact McNemar, whose hypothesis is that these two trained networks are right equally "
    "often",
    "crossed": "for several seeds, or folds, that the two methods are right equally often whatever the seed, with "
    "images (or folds) and seeds both as samples (docs/verdicts.md)",
}


@dataclass(frozen=True)
class Pair:
    """`other` less `one` under one protocol on one part (methods by name).

    `holm` is `p` adjusted for all pairs of methods of this protocol and part, `holm_reference` for those with the
    reference method, of which it is one; else None.
    """

    protocol: str
    part: str
    one: str
    other: str
    found: Difference
    holm: float
    holm_reference: float | None


def reference(evidence: Evidence) -> str:
    """Return the method that others are compared with: of those run the one reported best, else the first."""
    run = list(dict.fromkeys(each.key.method for each in evidence.runs))
    claims = {c.method: c.value for c in evidence.paper.reported
              if c.dataset == evidence.dataset and c.metric == "accuracy" and c.method in run}  # fmt: skip
    return max(claims, key=lambda method: claims[method]) if claims else run[0]


def pairs(evidence: Evidence) -> list[Pair]:
    """Return every two methods that were run with a seed in common, compared on the images that both were tested on."""
    first = reference(evidence)
    result = []
    for protocol in evidence.protocols:
        for part in evidence.parts:
            result += _of_part(evidence, protocol, part, first)
    return result


def _of_part(evidence: Evidence, protocol: str, part: str, first: str) -> list[Pair]:
    runs: dict[str, list[Predictions]] = {}
    for run in evidence.runs:
        if run.key.protocol == protocol and part in run.parts:
            runs.setdefault(run.key.method, []).append(run)
    answers = {method: Answers.of(those, part) for method, those in runs.items()}
    found = []
    for one, other in combinations(runs, 2):
        # The reference stands second, so that the difference is what others lack of it or have more.
        one, other = (first, one) if other == first else (one, other)
        difference = compared(answers[one], answers[other])
        if difference is not None:
            found.append((one, other, difference))
    adjusted = holm([each.p for _, _, each in found])
    with_first = [k for k, (one, _, _) in enumerate(found) if one == first]
    against_first = dict(zip(with_first, holm([found[k][2].p for k in with_first]), strict=True))
    return [
        Pair(protocol, part, one, other, each, adjusted[k], against_first.get(k))
        for k, (one, other, each) in enumerate(found)
    ]


def pair_table(comparison: Comparison, found: Sequence[Pair]) -> Table:
    """Return every method beside the reference method: a row a method and protocol, columns for each part."""
    evidence = comparison.evidence
    first, labels = reference(evidence), {name: each.label for name, each in evidence.paper.methods.items()}
    chosen = [pair for pair in found if pair.one == first]
    known: Mapping[tuple[str, str, str], Pair] = {(p.protocol, p.other, p.part): p for p in chosen}
    columns = [Column("Method"), Column("Protocol"), Column("Seeds", right=True)]
    heads = ("Difference", "95 % interval", "p", "p (Holm)", "n")
    for part in evidence.parts:
        columns += [Column(head, evidence.split(part), right=True) for head in heads]
    blocks = []
    for protocol in evidence.protocols:
        block = []
        for other in dict.fromkeys(pair.other for pair in chosen if pair.protocol == protocol):
            mine = [known.get((protocol, other, part)) for part in evidence.parts]
            seeds = next(pair.found.seeds for pair in mine if pair)
            row = [Cell(labels[other]), Cell(protocol), Cell(str(seeds))]
            for pair in mine:
                row += _cells(pair)
            block.append(row)
        blocks.append(block)
    tested = [pair.found.test for pair in chosen]
    families = Counter((pair.protocol, pair.part) for pair in chosen).values()
    notes = (
        ["No other method was run with a seed that it was run with."]
        if not chosen
        else [
            NOTE,
            f"p, two-sided: {'; '.join(text for test, text in TESTS.items() if test in tested)}.",
            f"Holm: adjusted for the comparisons of a protocol and part ({span(families)}). Bold: below "
            "0.05. Every other two methods stand in the CSV, adjusted for all of them.",
        ]
    )
    if evidence.stand_in:
        notes.append("Of drawn data, a difference is one between methods on drawings.")
    return Table(
        name=f"pairs.{evidence.paper.id}.{evidence.data}",
        title=f"{evidence.paper.id}: every method less “{labels[first]}”, in points of accuracy on "
        f"{dataset_name(evidence.dataset)}",
        columns=columns,
        blocks=[block for block in blocks if block],
        notes=list(map(Note, notes)),
        banner=stand_in_notice(evidence.dataset) if evidence.stand_in else "",
    )


def _cells(pair: Pair | None) -> list[Cell]:
    if pair is None:
        return [Cell(DASH)] * 5
    found, adjusted = pair.found, pair.holm if pair.holm_reference is None else pair.holm_reference
    return [
        Cell(signed(100 * found.difference), bold=adjusted < 0.05),
        Cell(f"{signed(100 * found.low)} to {signed(100 * found.high)}"),
        Cell(probability(found.p)),
        Cell(probability(adjusted)),
        Cell(thousands(found.n)),
    ]


def pair_records(comparison: Comparison, found: Sequence[Pair]) -> list[dict[str, Any]]:
    """Return the rows of the CSV: every pair; differences in points."""
    evidence = comparison.evidence
    first = reference(evidence)
    return [
        {
            "preset": evidence.preset,
            "paper": evidence.paper.id,
            "data": evidence.data,
            "stand_in": evidence.stand_in,
            "protocol": pair.protocol,
            "part": pair.part,
            "method": pair.other,
            "less": pair.one,
            "reference": pair.one == first,
            "difference": 100 * pair.found.difference,
            "low": 100 * pair.found.low,
            "high": 100 * pair.found.high,
            "p": pair.found.p,
            "p_holm": pair.holm,
            "p_holm_reference": pair.holm_reference,
            "test": pair.found.test,
            "seeds": pair.found.seeds,
            "n": pair.found.n,
        }
        for pair in found
    ]
