"""How fast the networks are on this machine, as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refer.errors import UserError
from refer.files import read_json
from refer.reporting.names import as_run
from refer.reporting.run_set import Record, precision_of
from refer.reporting.tables import columns as c
from refer.reporting.tables.table import Cell, Column, Note, Row, Table, number, several, thousands
from refer.reporting.tables.write import write_tables

if TYPE_CHECKING:
    from refer.spec import Paper

RATES = (25, 30)
"""Frames per second that cameras commonly give; what a network is held against."""
STEPS = ("detection", "crop")
"""What is timed of a camera's picture before its face is classified."""
CLAIMS = {"khalid2025": "calls its framework real-time and reports no time"}
"""Paper → what it says of its speed."""
QUIET = 0.25
"""Cores: what other programs may take up before a measurement is called disturbed."""


def write_realtime(measured: Iterable[str | Path], outputs: Iterable[str | Path], papers: Iterable[Paper] = ()) -> None:
    """Write what realtime.json files say to every path of `outputs` (.csv, .md, .tex, .html).

    Raises:
        UserError: a file is no such measurement, or there is none.
    """
    write_tables([realtime_table(read_realtime(measured), papers)], outputs)


def read_realtime(measured: Iterable[str | Path]) -> list[Record]:
    """Read realtime.json files.

    Raises:
        UserError: a file is no such measurement, or there is none.
    """
    records = []
    for path in measured:
        try:
            record = read_json(path)
            record["one_face"]["median_ms"], record["network_alone"], record["batch"], record["other_work"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: no measurement of this project ({error!r}); delete it and run again.") from None
        records.append(record)
    if not records:
        raise UserError("real-time table: no realtime.json was given; measure at least one run.")
    return records


def one_a_method(records: Sequence[Record]) -> list[Record]:
    """Return one record for each method of a paper on a data set: that of its lowest seed, in the order given.

    Seeds differ in their weights alone, which make no difference to the time.
    """
    chosen: dict[tuple[str, str, str], Record] = {}
    for record in records:
        key = (record["paper"], record["data"], record["method"])
        if key not in chosen or _rank(record) < _rank(chosen[key]):
            chosen[key] = record
    return list(chosen.values())


def realtime_record(record: Record) -> dict[str, Any]:
    """Return one row of the CSV."""
    names = ("preset", "paper", "dataset", "data", "protocol", "method", "seed", "parameters", "image_size")
    row = {name: record[name] for name in names}
    row["backbones"] = " + ".join(record["backbones"])
    row["face"] = _face(record)
    for section in ("one_face", "network_alone", "batch"):
        row |= {f"{section}_{name}": value for name, value in record[section].items()}
    if looks(record):
        for step in STEPS:
            row |= {f"{step}_{name}": value for name, value in record["picture"][step].items()}
        whole = sum(record["picture"][step]["median_ms"] for step in STEPS) + record["one_face"]["median_ms"]
        row |= {"picture_ms": whole, "pictures_per_s": 1000 / whole}
    row |= {f"keeps_{rate}_per_s": keeps_up(record, rate) for rate in RATES}
    row |= {name: record[name] for name in ("device", "device_name", "threads", "precision", "other_work")}
    row |= {f"{name}_version": version for name, version in record["versions"].items()}
    return row | {"checkpoint_sha256": record["checkpoint_sha256"], "measured": record["measured"]}


def looks(record: Record) -> bool:
    """Whether finding the face in a camera's picture was timed."""
    return "detection" in record.get("picture", {})


def keeps_up(record: Record, rate: int) -> str:
    """Say whether a face is judged before the next frame comes: `yes` in 19 of 20 frames, or `at the median`."""
    frame = 1000 / rate
    if record["one_face"]["p95_ms"] <= frame:
        return "yes"
    return "at the median" if record["one_face"]["median_ms"] <= frame else "no"


def realtime_table(records: Sequence[Record], papers: Iterable[Paper] = ()) -> Table:
    """Return the latency and the frames per second of one face, one row per method.

    Args:
        records: the content of realtime.json files; of several runs of a method that of the lowest seed is taken.
        papers: where the methods' labels stand, and their order; a method of no paper given keeps its name.
    """
    known = {paper.id: paper for paper in papers}
    chosen = sorted(one_a_method(records), key=lambda record: _place(record, known))
    machines = list(dict.fromkeys(map(_machine, chosen)))
    marks = {machine: chr(ord("a") + place) if len(machines) > 1 else "" for place, machine in enumerate(machines)}
    rows = [realtime_record(record) for record in chosen]
    for row, record in zip(rows, chosen, strict=True):
        paper = known.get(record["paper"])
        row["label"] = as_run(paper, record["method"]) if paper else record["method"]
        row["marks"] = "*" if record["reads_batch"] else "", marks[_machine(record)]
    names = dict.fromkeys(name for row in rows for name in row)
    latency, size, rate = "Latency of one face (ms)", "Size", "Faces per second"
    median, fast, slow = (f"one_face_{name}_ms" for name in ("median", "p5", "p95"))
    shown = [
        c.PAPER,
        c.DATA,
        Column("label", "Method", lambda row: Cell(row["label"], mark=row["marks"][0])),
        Column("backbones", "Backbone"),
        Column("parameters", "Parameters (M)", lambda row: number(row["parameters"] / 1e6, 2), right=True),
        Column("face", "Face (px)", group=size, right=True),
        Column("image_size", "seen (px)", lambda row: str(row["image_size"]), size, right=True),
        Column(median, "median", lambda row: Cell(_milliseconds(row[median]), mark=row["marks"][1]), latency,
               right=True),
        Column(fast, "5–95 %", lambda row: f"{_milliseconds(row[fast])}–{_milliseconds(row[slow])}", latency,
               right=True),
        Column("network_alone_median_ms", "network alone",
               lambda row: _milliseconds(row["network_alone_median_ms"]), latency, right=True),
        *(Column(f"{name}_frames_per_s", title, _rates(name), rate,
                 right=True)
          for name, title in (("one_face", "one by one"), ("batch", f"{chosen[0]['batch']['size']} at once"))),
        *(Column(f"keeps_{each}_per_s", f"{each}/s", group="Keeps up with") for each in RATES),
        *(_of_pictures() if any(map(looks, chosen)) else ()),
    ]  # fmt: skip
    own = {column.name for column in shown}
    return Table(
        "realtime",
        f"One face on this machine: {several(len(chosen), 'method')}",
        [*shown, *c.hidden(*(name for name in names if name not in own and name != "marks"))],
        rows,
        _notes(chosen, marks),
        block=["paper", "data"],
    )


def _of_pictures() -> Iterator[Column]:
    """Yield the columns of a camera's picture: milliseconds of each step and of all, and pictures per second."""
    group = "A camera's picture (ms)"
    titles = {"detection_median_ms": "finding the face", "crop_median_ms": "cutting it out", "picture_ms": "all"}
    for name, title in titles.items():
        yield Column(name, title, _if_there(name, _milliseconds), group, right=True)
    yield Column("pictures_per_s", "Pictures per second", _if_there("pictures_per_s", _rate), right=True)


def _if_there(name: str, show: Callable[[float], str]) -> Callable[[Row], str]:
    return lambda row: show(row[name]) if name in row else "–"


def _picture_notes(chosen: Sequence[Record]) -> Iterator[Note]:
    """Yield what the columns of a camera's picture mean, or why they are not there; nothing of older measurements."""
    if pictures := [record["picture"] for record in chosen if looks(record)]:
        one = pictures[0]
        yield Note(
            f"A camera's picture: {' × '.join(map(str, one['size']))} px, a photograph of one face. OpenCV "
            f"{one['opencv']}'s Haar cascade finds it, looking for faces of {one['smallest_face']} px and more; it is "
            "cut out and classified. All: the sum of the three medians, without camera and display. Finding takes "
            "longer in a larger picture and where smaller faces are looked for."
        )
        papers = dict.fromkeys(record["paper"] for record in chosen)
        yield from (Note(f"{paper} {CLAIMS[paper]}.") for paper in papers if paper in CLAIMS)
    missing = (record["picture"]["missing"] for record in chosen if "missing" in record.get("picture", {}))
    yield from (Note(f"A camera's picture was not timed (–): {why}") for why in dict.fromkeys(missing))


def _notes(chosen: Sequence[Record], marks: Mapping[str, str]) -> list[Note]:
    repeats = [record["one_face"]["repeats"] for record in chosen]
    times = thousands(min(repeats)) if min(repeats) == max(repeats) else f"{min(repeats):,} to {max(repeats):,}"
    pairs = any(len(record["inputs"]) > 1 for record in chosen)
    notes = [
        *(Note(f"Measured on {machine}.", mark) for machine, mark in marks.items()),
        Note(f"What is timed: {chosen[0]['scope']}. {times} repetitions each, after a warm-up."),
        Note(
            "Keeps up with: yes where the 95th percentile of the latency is no longer than a frame "
            f"({' or '.join(f'{1000 / rate:.1f} ms' for rate in RATES)}), else whether the median is; what is not "
            "timed comes to that."
        ),
        *_picture_notes(chosen),
        Note(
            "Of each method one run was measured, that of the lowest seed: time depends on network and size of the "
            "image, not on weights or on what an image shows, and is the same for drawn and for real faces."
        ),
    ]
    busy = [record for record in chosen if (record["other_work"] or 0) > QUIET]
    if busy:
        most, names = max(record["other_work"] for record in busy), ", ".join(record["method"] for record in busy)
        notes.append(
            Note(
                f"Not on a quiet machine: meanwhile other programs kept up to {most:.1f} cores busy ({names}). These "
                "times are longer than they need be; measure again with nothing else running."
            )
        )
    if pairs:
        notes.append(Note("2 × …: the network looks at two pictures of a face, which count as one face."))
    if any(record["reads_batch"] for record in chosen):
        notes.append(
            Note("The logits of this network depend on its batch: for one face by itself they are others.", "*")
        )
    return notes


def _rates(name: str) -> Callable[[Row], str]:
    """Return what prints faces per second."""
    return lambda row: _rate(row[f"{name}_frames_per_s"])


def _face(record: Record) -> str:
    times = f"{len(record['inputs'])} × " if len(record["inputs"]) > 1 else ""
    return times + "×".join(map(str, record["face"]))


def _milliseconds(value: float) -> str:
    return number(value, 2 if value < 10 else 1 if value < 100 else 0)


def _rate(value: float) -> str:
    return thousands(round(value)) if value >= 10 else number(value, 1)


def _machine(record: Record) -> str:
    versions, threads = record["versions"], several(record["threads"], "thread")
    what = record["device_name"] if record["device"] == "cpu" else f"{record['device_name']} ({record['device']})"
    return (
        f"{what}, {threads} of the CPU, {precision_of(record)}, torch {versions['torch']}, "
        f"Python {versions['python']}; PyTorch as it is, not compiled"
    )


def _rank(record: Record) -> tuple[int, int, str]:
    return record["seed"], record["fold"] or 0, record["protocol"]


def _place(record: Record, papers: Mapping[str, Paper]) -> tuple[str, str, int]:
    paper = papers.get(record["paper"])
    return record["paper"], record["data"], list(paper.methods).index(record["method"]) if paper else 0
