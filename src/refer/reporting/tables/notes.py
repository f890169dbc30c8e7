"""The footnotes of a paper's table: what its numbers are, and what each row rests on; each from what was run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from refer.evaluation.granularity import counts
from refer.reporting.comparison import Comparison
from refer.reporting.names import listing, span
from refer.reporting.run_set import Record, in_batches, precision_of
from refer.reporting.tables.changes import changes
from refer.reporting.tables.label_notes import label_notes
from refer.reporting.tables.table import Note, Row, several

if TYPE_CHECKING:
    from refer.spec import Paper, Reported

FEW = 3
"""Changes of a kind that a note lists one by one."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
UNKNOWN_SPLIT = "The paper does not say on which split this was measured, so the difference is given to each."
READING = (
    "Accuracy: mean ± standard deviation over seeds (n − 1 in the denominator; with one seed there is none). Diff.: "
    "reproduced minus reported, in points. Bold: the highest mean of a protocol and split, which alone does not "
    "make it better than the next."
)


def footnotes(comparison: Comparison) -> tuple[list[Note], dict[tuple[str, str], str]]:
    """Return the notes of the table of accuracies, and the letters of each row (protocol and method)."""
    claims = claims_of(comparison)
    lettered = [Note(UNKNOWN_SPLIT, "a")] if any(claim.part is None for claim in claims) else []
    marked, marks = row_notes(comparison, len(lettered))
    notes = [*lettered, *marked]
    if comparison.banner:
        notes.append(Note(f"{comparison.banner}; differences to reported numbers mean nothing."))
    notes += [Note(READING), Note(interval_note(comparison.accuracies))]
    notes += verdict_notes(comparison, claims)
    if comparison.folds:
        notes.append(Note(fold_note(comparison)))
    notes += [Note(_protocol_note(comparison, protocol)) for protocol in comparison.protocols]
    notes += _different_images(comparison)
    if not comparison.banner:
        notes += map(Note, label_notes(comparison.dataset, comparison.splits.values()))
    notes += claim_notes(claims)
    if any(claim.sd is not None for claim in claims):
        notes.append(Note(f"Reported ±: standard deviation{' over folds' if comparison.folds else ''}."))
    if not claims:
        elsewhere = any(claim.dataset == comparison.dataset for claim in comparison.paper.reported)
        what = "of the methods that were run" if elsewhere else "on this data set"
        notes.append(Note(f"The paper reports no accuracy {what}."))
    notes += departure_notes(comparison.of("departure"))
    notes += _unlike_seeds(comparison)
    notes += change_notes([comparison.paper])
    notes.append(Note(f"Cost: {cost(comparison.records_of())}."))
    return [*notes, Note(f"Paper: {comparison.paper.citation.rstrip('.')}.")], marks


def claims_of(comparison: Comparison, *, further: bool = False) -> list[Reported]:
    """Return the accuracies that the paper reports of what was run, or with `further` its other numbers."""
    rows = comparison.further if further else comparison.accuracies
    ran = {(row["method"], row["metric"], each["source"], each["value"]) for row in rows for each in row["claims"]}
    scored = comparison.paper.metrics.scored
    return [claim for claim in comparison.paper.reported if claim.dataset == comparison.dataset
            and (claim.method, scored(claim.metric), claim.source, claim.value) in ran]  # fmt: skip


def change_notes(papers: Iterable[Paper]) -> list[Note]:
    """Return what the preset changes in the papers' files, a note a paper."""
    return [
        Note(f"What this preset changes in papers/{paper.id}.yaml: {changes(paper)}.")
        for paper in papers
        if paper.departures
    ]


def departure_notes(rows: Iterable[Row]) -> list[Note]:
    """List what of their papers' methods runs changed, from the scope `departure`: by kind, the values if few."""
    kinds: dict[str, dict[tuple[str, str], None]] = {}
    for row in rows:
        kinds.setdefault(row["what"], {})[row["source"], row["reason"]] = None
    told = [
        f"{kind} ({listing(f'{paper} → {run}' for paper, run in pairs)})" if len(pairs) <= FEW
        else f"{kind} ({len(pairs)} changes)"
        for kind, pairs in kinds.items()
    ]  # fmt: skip
    what = "Departures: in how many of network, weights, epochs, image size and recipe a run is not the paper's method"
    return [Note(f"{what}. Here: {'; '.join(told)}. All of them: results.parquet, scope departure.")] if told else []


def lettered(
    rows: Mapping[Any, Sequence[str]], used: int = 0, order: Iterable[str] = ()
) -> tuple[list[Note], dict[Any, str]]:
    """Return notes on what sets rows apart, and the letters of each; `used` letters are taken.

    `rows` says of each row what holds for it, as the end of a sentence; `order` has all that is said. What holds for
    every row needs no letter.
    """
    marked: list[Note] = []
    general: list[Note] = []
    marks = dict.fromkeys(rows, "")
    for text in filter(None, dict.fromkeys(order)):
        those = [row for row, texts in rows.items() if text in texts]
        if not those:
            continue
        if len(those) == len(rows):
            general.append(Note(f"Every method {text}."))
            continue
        letter = LETTERS[(used + len(marked)) % len(LETTERS)]
        marked.append(Note(f"{text[0].upper()}{text[1:]}.", letter))
        for row in those:
            marks[row] += f", {letter}" if marks[row] else letter
    return [*marked, *general], marks


def row_notes(comparison: Comparison, used: int) -> tuple[list[Note], dict[tuple[str, str], str]]:
    """Return the notes on what rows rest on, and the letters of each row; `used` letters are taken."""
    rows = dict.fromkeys((row["protocol"], row["method"]) for row in comparison.accuracies)
    facts: tuple[Callable[[Comparison, Record], str], ...] = (_parents, _learns, _composition, _reads_batch, _weights)
    told = {
        row: [[fact(comparison, record) for record in comparison.records_of(*row)] for fact in facts] for row in rows
    }
    order = [text for number in range(len(facts)) for texts in told.values() for text in texts[number]]
    return lettered({row: [text for each in texts for text in each] for row, texts in told.items()}, used, order)


def _parents(comparison: Comparison, record: Record) -> str:
    parents = dict.fromkeys((record.get("starts_from") or {}).values())
    again = "seed and fold" if record.get("fold") is not None else "seed"
    if tested := record.get("tests"):
        return f"tests the network of “{comparison.paper.methods[tested].label}” of the same {again}"
    names = listing(f"“{comparison.paper.methods[name].label}”" for name in parents) if parents else ""
    return f"goes on from the trained {names} of the same {again}" if names else ""


def _learns(_: Comparison, record: Record) -> str:
    return "" if record["epochs"] or record.get("tests") else "has nothing to train"


def _composition(_: Comparison, record: Record) -> str:
    recipe = record["recipe"]
    if not recipe.get("compose"):
        return ""
    told = {True: "faces composed on backgrounds", False: "the images as they are"}
    learnt, tested = (told[recipe.get(key, True)] for key in ("compose_train", "compose_test"))
    return f"learns from {learnt}, is tested on {'such' if learnt == tested else tested}"


def _reads_batch(_: Comparison, record: Record) -> str:
    return in_batches(record)


def _weights(comparison: Comparison, record: Record) -> str:
    claimed, actual = _claimed_weights(comparison.paper, record["method"]), record["initial_weights"]
    if claimed is None or actual.split(" (")[0] == claimed:
        return ""
    start = "scratch" if actual.startswith("none") else actual
    return f"starts from {start}, where the paper's file says {'scratch' if claimed == 'none' else claimed}"


def _claimed_weights(paper: Paper, method: str) -> str | None:
    """Return the initial weights that the paper's file names for a method; None where the preset keeps to it."""
    for key in (f"methods.{method}.network.weights", "network.weights"):
        if key in paper.departures:
            _, was, before = paper.departures[key].partition(" (was: ")
            return before.removesuffix(")") if was else "none"
        if "weights" in paper.methods[method].network:
            return None
    return None


def _unlike_seeds(comparison: Comparison) -> list[Note]:
    """Say of which rows the seeds differ in more than their seed."""
    notes = []
    for protocol, method in dict.fromkeys((row["protocol"], row["method"]) for row in comparison.accuracies):
        records = [record for record in comparison.records_of(protocol, method) if record["epochs"]]
        facts = {
            "PyTorch": [str(record["versions"].get("torch")) for record in records],
            "device": [str(record["device"]) for record in records],
            "threads": [str(record.get("threads")) for record in records if record["device"] == "cpu"],
            "precision": [precision_of(record) for record in records],
        }
        found = [f"{what} {listing(sorted(set(told)))}" for what, told in facts.items() if len(set(told)) > 1]
        if found:
            who = f"“{comparison.paper.methods[method].label}”, {protocol}"
            notes.append(
                Note(f"{who}: the seeds differ in more than the seed ({'; '.join(found)}), and so does their ±.")
            )
    return notes


def verdict_notes(comparison: Comparison, claims: Sequence[Reported]) -> list[Note]:
    """Return the rule by which reported accuracies are judged, and which of them no count can give."""
    if not claims:
        return []
    if comparison.banner:
        return [Note("Verdict: none on a reported number; it is not of drawn data, and says “stand-in”.")]
    return [Note(rule(comparison.margin)), *impossible_notes(claims)]


def rule(margin: float) -> str:
    """Return the rule of verdicts in a paragraph."""
    return (
        "Verdict on a reported number: not tested at the paper's budget, if a run departs from the paper's method; "
        f"otherwise reproduced, if the 90 % interval of the difference lies within ± {margin:g} points; not "
        "reproduced, if it does not and the 95 % interval excludes 0; otherwise inconclusive. Intervals count the "
        "sampling of both numbers (the reported one's from its n; where none is said, from that of the split tested "
        "here) and the seeds of ours (docs/verdicts.md)."
    )


def impossible_notes(claims: Iterable[Reported]) -> list[Note]:
    """Say which reported numbers no whole number of right answers gives, of the n that the paper states."""
    by_n: dict[int, dict[str, None]] = {}
    for claim in claims:
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
    folds = comparison.folds
    wanted = comparison.paper.folds.get(comparison.dataset, len(folds))
    run = f"all {wanted}" if len(folds) == wanted else f"{len(folds)} of {wanted} ({listing(folds)})"
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


def interval_note(rows: Iterable[Row], name: str = "95 % interval") -> str:
    """Return how the intervals of `rows` were made."""
    used = {
        "folds" if (row["folds"] or 0) > 1 and row["interval_method"] == "crossed" else row["interval_method"]
        for row in rows
    }
    return f"{name}: {'; '.join(text for kind, text in INTERVALS.items() if kind in used)} (docs/verdicts.md)."


def _protocol_note(comparison: Comparison, protocol: str) -> str:
    """Return what a protocol means, which epoch it tests, and what it removed."""
    known = comparison.paper.protocols.get(protocol)  # type: ignore[call-overload]
    rules = epoch_rules(comparison, comparison.records_of(protocol))
    # The paper's note names the split that chooses the epoch; a data set of other splits, or a configuration, may have
    # another.
    use = getattr(comparison.paper, "data", {}).get(comparison.dataset)
    other = use is not None and protocol in use.select
    other = other or f"protocols.{protocol}.select" in comparison.paper.departures
    note = known.note.rstrip(".") if known and not other else ""
    text = f"{protocol}: {note}" if note else protocol
    if rules:
        text += f"{'. ' if note else ': '}Epoch tested: {rules_told(rules)}"
    chosen = [split for part, split in comparison.splits.items() if any(part in rule.split() for rule in rules)]
    if chosen:
        text += f", which inflates {' and '.join(chosen)}"
    removed: dict[str, list[Row]] = {}
    for row in comparison.accuracies:
        if row["protocol"] == protocol and row["removed"]:
            removed.setdefault(row["split"], []).append(row)
    if removed:
        listed = [f"{span(r['removed'] for r in those)} of {span(r['n'] + r['removed'] for r in those)} images of "
                  f"{split}" for split, those in removed.items()]  # fmt: skip
        text += f". Removed: {', '.join(listed)}"
    return f"{text}."


def epoch_rules(comparison: Comparison, records: Iterable[Record]) -> dict[str, list[str]]:
    """Return the rules by which epochs were kept, each with its methods' labels; the commonest rule last.

    A method that tests another's network has that one's rule; one with nothing to train has none.
    """
    found: dict[str, dict[str, None]] = {}
    for each in records:
        record = each
        if tested := each.get("tests"):
            names = ("paper", "data", "protocol", "seed", "fold")
            record = next(
                (other for other in comparison.records.values() if other["method"] == tested
                 and all(other.get(name) == each.get(name) for name in names)), each)  # fmt: skip
        if record["epochs"]:
            label = comparison.paper.methods[each["method"]].label
            found.setdefault(record["selection"], {})[label] = None
    return {rule: list(found[rule]) for rule in sorted(found, key=lambda rule: (len(found[rule]), rule))}


def rules_told(rules: Mapping[str, Sequence[str]]) -> str:
    """Return `epoch_rules` in words, with the methods of each where there are several."""
    if len(rules) < 2:
        return "".join(rules)
    *few, most = rules
    named = (f"{rule} ({listing(f'“{label}”' for label in rules[rule])})" for rule in few)
    return f"{', '.join(named)}, {most} (all others that are trained)"


def _different_images(comparison: Comparison) -> list[Note]:
    """Say for each protocol and split whether the methods were tested on different images, and which all share."""
    return [
        Note(
            f"{row['split']}, {row['protocol']}: not all methods were tested on the same images; each "
            f"number is of the n in its row, {several(row['n'], 'image')} of which all methods share."
        )
        for row in comparison.of("shared images")
    ]


def metrics_note(paper: Paper) -> str:
    """Return by which definition precision, recall and F1 were computed."""
    averages = paper.metrics
    over = "weighted by the classes' images" if averages.average == "weighted" else "over the classes, unweighted"
    f1 = (
        "F1 the harmonic mean of these two means (not the mean of the classes' F1)"
        if averages.f1 == "of-means"
        else "F1 the mean of the classes' F1 (not the harmonic mean of the two)"
    )
    return f"Precision and recall are means {over}, {f1}: as the paper defines them."


WEIGHT_NOTE = (
    "Precision, recall and F1: where the paper states no spread, its number is taken to be as uncertain as that of "
    "one of our runs on as many images."
)
