"""The footnotes of a paper's table: what its numbers are, and what each row rests on; each from what was run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from refer.evaluation.granularity import counts
from refer.evaluation.predictions import Predictions
from refer.reporting.evidence import Evidence, Paper, Record, Reported, precision_of
from refer.reporting.names import listing, span
from refer.reporting.results import Comparison, Result, Value
from refer.reporting.tables.departures import departures
from refer.reporting.tables.row_notes import Row, row_notes
from refer.reporting.tables.table import Note, several, stand_in_notice

UNKNOWN_PART = "The paper does not say on which part of the data this was measured, so the difference is given to each."
READING = (
    "Accuracy: mean ± standard deviation over seeds (n − 1 in the denominator; with one seed there is none). Diff.: "
    "reproduced minus reported, in points. Bold: the highest mean of a protocol and part, which alone does not "
    "make it better than the next."
)


@dataclass(frozen=True)
class Footnotes:
    """The notes below a table, and the letters that its rows carry."""

    notes: list[Note]
    marks: Mapping[Row, str]


def footnotes(comparison: Comparison) -> Footnotes:
    """Return the footnotes of the main table."""
    evidence = comparison.evidence
    claims = unique(claim for r in comparison.results for claim in r.reported)
    lettered = [Note(UNKNOWN_PART, "a")] if any(claim.part is None for claim in claims) else []
    marked, marks = row_notes(comparison, len(lettered))
    notes = [*lettered, *marked]
    if evidence.stand_in:
        notes.append(Note(f"{stand_in_notice(evidence.dataset)}; differences to reported numbers mean nothing."))
    notes += [Note(READING), Note(interval_note(comparison.results))]
    notes += verdict_notes(comparison)
    if comparison.folds:
        notes.append(Note(fold_note(comparison)))
    notes += [Note(_protocol_note(comparison, protocol)) for protocol in evidence.protocols]
    notes += _different_images(comparison)
    notes += claim_notes(claims)
    if any(claim.sd is not None for claim in claims):
        notes.append(Note(f"Reported ±: standard deviation{' over folds' if comparison.folds else ''}."))
    if not claims:
        elsewhere = [claim for claim in evidence.paper.reported if claim.dataset == evidence.dataset]
        what = "of the methods that were run" if elsewhere else "on this data set"
        notes.append(Note(f"The paper reports no accuracy {what}."))
    notes += departure_notes([evidence.paper])
    notes.append(Note(f"Cost: {cost(evidence.records_of(evidence.runs))}."))
    return Footnotes([*notes, Note(f"Paper: {evidence.paper.citation.rstrip('.')}.")], marks)


def departure_notes(papers: Iterable[Paper]) -> list[Note]:
    """Return what the preset changes in the papers' files, a note a paper."""
    return [
        Note(f"What this preset changes in papers/{paper.id}.yaml: {departures(paper)}.")
        for paper in papers
        if paper.departures
    ]


def verdict_notes(comparison: Comparison) -> list[Note]:
    """Return the rule by which reported accuracies are judged, and which of them no count can give."""
    judged = [r for r in comparison.results if r.reported]
    if not judged:
        return []
    if comparison.evidence.stand_in:
        return [Note("Verdict: none on a reported number; it is not of drawn data, and says “stand-in”.")]
    return [Note(rule(comparison.margin)), *impossible_notes(r for r in judged if r.against is not None)]


def rule(margin: float) -> str:
    """Return the rule of verdicts in a paragraph."""
    return (
        f"Verdict on a reported number: reproduced, if the 95 % interval of the difference lies within ± {margin:g} "
        "points; not reproduced, if it does not and excludes 0; otherwise nobody can tell. The interval counts the "
        "sampling of both numbers (the reported one's from its n; where none is said, from that of the part tested "
        "here) and the seeds of ours (docs/verdicts.md)."
    )


def impossible_notes(results: Iterable[Result]) -> list[Note]:
    """Say which reported numbers no whole number of right answers gives, of the n that the paper states."""
    by_n: dict[int, dict[str, None]] = {}
    for r in results:
        claim = r.reported[0]
        if claim.n and claim.sd is None and not counts(claim.value, claim.n, claim.decimals):
            by_n.setdefault(claim.n, {}).setdefault(printed(claim.value, claim.decimals))
    return [
        Note(
            f"No whole number of {n:,} images is {listing(values).replace(' and ', ' or ')} % of them, rounded or cut."
        )
        for n, values in by_n.items()
    ]


def printed(value: float, decimals: int | None) -> str:
    """Return a reported number for a sentence: with the decimals that are stated, else with as few as it needs."""
    return f"{value:g}" if decimals is None else f"{value:.{decimals}f}"


def unique(claims: Iterable[Reported]) -> list[Reported]:
    """Return each claim once; one that names no part is that of several results."""
    return list({id(claim): claim for claim in claims}.values())


def cost(runs: Sequence[Record]) -> str:
    """Return what `runs` (run.json) cost, in one sentence."""
    trained = [run for run in runs if run["epochs"]]
    epochs = sorted({run["epochs"] for run in trained})
    devices = sorted({f"{run['device_name']} ({run['device']}, {precision_of(run)})" for run in trained or runs})
    text = several(len(runs), "run")
    if trained:
        text += f" of {epochs[0]} to {epochs[-1]} epochs" if len(epochs) > 1 else f" of {several(epochs[0], 'epoch')}"
    if len(trained) < len(runs):
        text += f" ({len(runs) - len(trained)} with nothing to train)"
    text += f": {duration(sum(run['seconds'] for run in runs))} of training in all"
    return ", ".join([text, *([f"{speed(runs)} in the median"] if trained else []), f"on {', '.join(devices)}"])


def speed(runs: Sequence[Record]) -> str:
    """Return how many images a second were learnt from, in the median of those `runs` that learn anything."""
    trained = [run["images_per_s"] for run in runs if run["epochs"]]
    return f"{median(trained):,.0f} images/s" if trained else "nothing was trained"


def energy(runs: Sequence[Record]) -> str:
    """Return what energy training took, as far as the machine counted it."""
    counted = [run["energy"] for run in runs if run.get("energy")]
    if not counted:
        return "not measurable on this machine" if any("energy" in run for run in runs) else "not recorded"
    spent, meters = sum(each["joules"] for each in counted) / 3.6e6, dict.fromkeys(each["meter"] for each in counted)
    text = f"{spent:.2g} kWh by {' and '.join(meters)}"
    part, whole = (duration(sum(each["seconds"] for each in those)) for those in (counted, runs))
    return text if len(counted) == len(runs) else f"{text}, of {part} in {whole}"


def duration(seconds: float) -> str:
    """Return a span of time as people say it, e.g. 1 h 48 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def claim_notes(claims: Sequence[Reported]) -> list[Note]:
    """Return where reported numbers come from, those of one source in one note."""
    groups: dict[tuple[str, int | None, str | None], list[Reported]] = {}
    for claim in claims:
        groups.setdefault((claim.source, claim.n, claim.note), []).append(claim)
    notes = []
    for (source, n, note), those in groups.items():
        values = listing(printed(claim.value, claim.decimals) for claim in those)
        text = (
            f"Reported {values} %: {source}" if len(those) <= 4 else f"{len(those)} of the reported numbers: {source}"
        )
        text += f", n = {n:,}" if n else ""
        notes.append(Note(f"{text}{f' ({note})' if note else ''}."))
    return notes


def fold_note(comparison: Comparison) -> str:
    """Return what folds are, and how they are counted."""
    evidence, folds = comparison.evidence, comparison.folds
    wanted = evidence.paper.folds.get(evidence.dataset, len(folds))
    run = f"all {wanted}" if len(folds) == wanted else f"{len(folds)} of {wanted} ({listing(map(str, folds))})"
    return (
        f"Folds: in each, other people are tested; {run} were run. The folds of a seed are pooled, so that each image "
        "counts once. Over folds: mean ± standard deviation of the folds' own values, each averaged over seeds."
    )


INTERVALS = {
    "wilson": "for a single run, Wilson's, which counts the sampling of test images only",
    "jackknife": "for a single run, Wilson's for as many images as would give an accuracy of this size the measure's "
    "variance (jackknife), which counts the sampling of test images only",
    "crossed": "for several seeds, the crossed interval, of which test images and seeds are both samples (Wilson's for "
    "the images, widened by Student's for the seeds; with two seeds it is wide, for two tell little of how seeds "
    "differ)",
    "folds": "for folds, the crossed interval of which the folds (other people, other networks) and the seeds are the "
    "samples",
}


def interval_note(results: Iterable[Value], name: str = "95 % interval") -> str:
    """Return how the intervals of `results` were made."""
    used = {"folds" if len(r.folds) > 1 and r.interval.method == "crossed" else r.interval.method for r in results}
    return f"{name}: {'; '.join(text for kind, text in INTERVALS.items() if kind in used)} (docs/verdicts.md)."


def _protocol_note(comparison: Comparison, protocol: str) -> str:
    """Return what a protocol means, which epoch it tests, and what it removed."""
    evidence = comparison.evidence
    known = evidence.paper.protocols.get(protocol)  # type: ignore[call-overload]
    rules = epoch_rules(evidence, (run for run in evidence.runs if run.key.protocol == protocol))
    text = f"{protocol}: {known.note.rstrip('.')}" if known and known.note else f"{protocol}"
    if rules:
        text += f"{'. ' if known and known.note else ': '}Epoch tested: {rules_told(rules)}"
    chosen = [part for part in evidence.parts if any(part in rule.split() for rule in rules)]
    if chosen:
        text += f", so that {' and '.join(map(evidence.split, chosen))} is flattered"
    removed: dict[str, list[Result]] = {}
    for r in comparison.results:
        if r.protocol == protocol and r.removed:
            removed.setdefault(r.split, []).append(r)
    if removed:
        listed = [f"{span(r.removed for r in those)} of {span(r.n + r.removed for r in those)} images of {split}"
                  for split, those in removed.items()]  # fmt: skip
        text += f". Removed: {', '.join(listed)}"
    return f"{text}."


def epoch_rules(evidence: Evidence, runs: Iterable[Predictions]) -> dict[str, list[str]]:
    """Return the rules by which the epochs of `runs` were kept, each with its methods' labels; the commonest rule last.

    A method that tests another's network has that one's rule; one with nothing to train has none.
    """
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        for single in run.runs:
            record = evidence.records[single.key]
            if tested := record.get("tests"):
                record = evidence.records.get(single.key._replace(method=tested), record)
            if record["epochs"]:
                found.setdefault(record["selection"], {})[evidence.paper.methods[run.key.method].label] = None
    return {rule: list(found[rule]) for rule in sorted(found, key=lambda rule: (len(found[rule]), rule))}


def rules_told(rules: Mapping[str, Sequence[str]]) -> str:
    """Return `epoch_rules` in words, with the methods of each where there are several."""
    if len(rules) < 2:
        return "".join(rules)
    *few, most = rules
    named = (f"{rule} ({listing(f'“{label}”' for label in rules[rule])})" for rule in few)
    return f"{', '.join(named)}, {most} (all others that are trained)"


def _different_images(comparison: Comparison) -> list[Note]:
    """Say for each protocol and part whether the methods were tested on different images, and which all share."""
    evidence, notes = comparison.evidence, []
    for protocol in evidence.protocols:
        for part in evidence.parts:
            first: dict[str, Predictions] = {}
            for run in evidence.runs:
                if run.key.protocol == protocol and part in run.parts:
                    first.setdefault(run.key.method, run)
            sets = [frozenset(run.ids[run.of(part)].tolist()) for run in first.values()]
            if len(set(sets)) > 1:
                common = len(frozenset.intersection(*sets))
                notes.append(
                    Note(
                        f"{evidence.split(part)}, {protocol}: not all methods were tested on the same images; each "
                        f"number is of the n in its row, {several(common, 'image')} of which all methods share."
                    )
                )
    return notes


def metrics_note(comparison: Comparison) -> str:
    """Return by which definition precision, recall and F1 were computed."""
    averages = comparison.evidence.paper.metrics
    over = "weighted by the classes' images" if averages.average == "weighted" else "over the classes, unweighted"
    f1 = (
        "F1 the harmonic mean of these two means (not the mean of the classes' F1)"
        if averages.f1 == "of-means"
        else "F1 the mean of the classes' F1 (not the harmonic mean of the two)"
    )
    return f"Precision and recall are means {over}, {f1}: as the paper defines them."


def weight_note() -> str:
    """Return how a reported number is taken that is neither a share of images nor has a spread."""
    return (
        "Precision, recall and F1: where the paper states no spread, its number is taken to be as uncertain as that of "
        "one of our runs on as many images."
    )
