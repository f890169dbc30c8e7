"""What is there of each data set: `refer datasets`. Facts from the catalogue, state from the files in `data/`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refer.datasets.model import Dataset, some
from refer.datasets.raw import sources
from refer.datasets.remarks import noted, remarks
from refer.errors import UserError
from refer.files import NotJsonError
from refer.records import Inventoried, read

if TYPE_CHECKING:
    from rich.console import Console

STAND_IN = "stand-in"
DRAWN = "-standin"  # what drawn data has behind its name in paths
NO_SOURCE = "cannot be understood (refer check says why)"
WIDEST = 100  # columns: longer lines are hard to read
LABELS = 10  # columns


def describe(known: Dataset, source: Any = None, data: Path = Path("data")) -> dict[str, Any]:
    """Return what is known of a data set, and what there is of it, in plain JSON types.

    Args:
        known: an entry of the catalogue.
        source: what the configuration says of it; None: nothing.
        data: the folder that the workflow writes data to.
    """
    return {
        "name": known.name,
        "title": known.title,
        "source": _shown(source),
        "states": [state for drawn in (False, True) if (state := _state(known, data, drawn))],
        "images": {
            split: dict(zip(known.classes, known.counts[split], strict=True))
            for split in known.splits
            if split in known.counts
        },
        "images_are": known.counts_are,
        "classes": list(known.classes),
        "splits": list(known.splits),
        "modalities": list(known.modalities),
        "levels": known.levels,
        "shape": list(known.shape),
        "access": known.access,
        "licence": known.licence,
        "home": known.home,
        "how_to_get": known.how_to_get,
        "layouts": list(known.layouts),
        "files": [file.name for file in known.files],
    }


def _shown(source: Any) -> str | None:
    """Return a configured source without what is nobody's business."""
    if source is None or source == STAND_IN:
        return source
    words = [source] if isinstance(source, str) else source
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return NO_SOURCE
    try:
        shown = sources.shown(source)
    except UserError:
        return NO_SOURCE
    return shown if isinstance(shown, str) else some(shown, 3)


def _state(known: Dataset, data: Path, drawn: bool) -> dict[str, Any] | None:
    """Return what the workflow made of the real or of the drawn data, None where it made nothing."""
    name = known.name + (DRAWN if drawn else "")
    receipt = _read(data / "raw" / name / "receipt.json")
    prepared = _read(data / "prepared" / name / "prepare.json")
    if not receipt and not prepared:
        return None
    parts = receipt.get("parts", [])
    return {
        "drawn": drawn,
        "obtained": receipt.get("obtained"),
        "layout": receipt.get("layout"),
        "files": {
            verdict: [part["name"] for part in parts if part.get("verified") == verdict]
            for verdict in ("verified", "differs")
        },
        "missing": receipt.get("missing") or [],
        "images": prepared.get("images"),
        "counts": {
            split: {name: both["found"] for name, both in classes.items()}
            for split, classes in prepared.get("counts", {}).items()
        },
        "current": not prepared or not receipt or prepared.get("raw_sha256") == receipt.get("members_sha256"),
        "remarks": [str(remark) for remark in (*remarks(prepared), *noted(prepared))],
        "audited": (data / "audit" / name / "audit.json").is_file(),
    }


def _read(path: Path) -> dict[str, Any]:
    """Return a JSON file's content, nothing where it is absent or another program's."""
    try:
        return read(path, Inventoried)
    except (OSError, NotJsonError):
        return {}


def show(entries: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print a few lines on each data set."""
    for entry in entries:
        _print(entry, _short(entry), console)
        console.print()
    console.print("refer datasets NAME tells all about one, --json gives it to programs.", style="dim", soft_wrap=True)


def show_one(entry: Mapping[str, Any], console: Console) -> None:
    """Print all about one data set."""
    _print(entry, [*_short(entry), *_more(entry)], console)
    best = next((state for state in entry["states"] if state["counts"]), None)
    if entry["images"] or best:
        console.print()
        for line in _counts(entry, best):
            console.print(line, markup=False, soft_wrap=True)


def _print(entry: Mapping[str, Any], lines: Sequence[tuple[str, str]], console: Console) -> None:
    """Print labelled text, wrapped between words alone, so that an address stays in one piece."""
    console.print(f"[bold]{entry['title']}[/bold] [dim]({entry['name']})[/dim]")
    margin = 2 + LABELS
    for label, text in lines:
        wrapped = textwrap.wrap(
            text, min(console.width, WIDEST) - margin, break_long_words=False, break_on_hyphens=False
        )
        for number, line in enumerate(wrapped or [""]):
            console.print(f"  {label if number == 0 else '':<{LABELS}}", style="dim", end="", markup=False)
            console.print(line, markup=False, soft_wrap=True)


def _short(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    source = {None: "not configured", STAND_IN: "stand-in (drawn here)"}.get(entry["source"], entry["source"])
    states = [_sentence(state) for state in entry["states"]] or ["nothing obtained yet"]
    return [
        ("source", source),
        *(("state" if number == 0 else "", state) for number, state in enumerate(states)),
        *(("raw data", line) for state in entry["states"] if not state["drawn"] for line in state["remarks"]),
        ("images", "; ".join(_images(entry))),
        ("access", "given on request" if entry["access"] == "request" else "open"),
        ("licence", entry["licence"]),
        ("get it", entry["how_to_get"]),
        ("home", entry["home"]),
    ]


def _sentence(state: Mapping[str, Any]) -> str:
    """Say in a line what was made of the data."""
    said = []
    if state["obtained"]:
        said.append(f"obtained {state['obtained'][:10]} ({state['layout']})")
    if state["files"]["differs"] or state["missing"]:
        wrong = (("other than the owner's", state["files"]["differs"]), ("missing", state["missing"]))
        said.append(", ".join(f"{len(names)} file{'s' * (len(names) > 1)} {what}" for what, names in wrong if names))
    if (images := state["images"]) is not None:
        of_what = "" if state["current"] else " of an earlier archive"
        said.append(f"{images:,} image{'s' * (images != 1)} prepared{of_what}")
    if state["audited"]:
        said.append("audited")
    return f"{'drawn' if state['drawn'] else 'real'}: {', '.join(said)}"


def _images(entry: Mapping[str, Any]) -> Iterator[str]:
    """Say how many images there are, of how many."""
    for state in entry["states"]:
        found = sum(number for classes in state["counts"].values() for number in classes.values())
        if state["counts"]:
            yield f"{found:,} {'drawn' if state['drawn'] else 'found'}"
    totals = {split: sum(filter(None, classes.values())) for split, classes in entry["images"].items()}
    unknown = {name for classes in entry["images"].values() for name, number in classes.items() if number is None}
    if not sum(totals.values()):
        yield "their number is not stated"
        return
    notes = [f"{split} {total:,}" for split, total in totals.items()] if len(totals) > 1 else []
    notes += [f"without {name}" for name in entry["classes"] if name in unknown]
    stated = f"{'the owner states' if entry['images_are'] == 'exact' else 'reported are'} {sum(totals.values()):,}"
    yield f"{stated} ({', '.join(notes)})" if notes else stated


def _more(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    height, width, channels = entry["shape"]
    yield "classes", ", ".join(entry["classes"])
    yield "splits", ", ".join(entry["splits"])
    yield (
        "prepared",
        f"{height}×{width} pixels, {'grey' if channels == 1 else 'colour'}, {', '.join(entry['modalities'])}",
    )
    if entry["levels"]:
        yield "levels", entry["levels"]
    if entry["layouts"]:
        yield "layouts", ", ".join(entry["layouts"])
    if entry["files"]:
        yield "files", f"{', '.join(entry['files'])} (`download` fetches and verifies them)"
    for state in entry["states"]:
        for what, names in (*state["files"].items(), ("missing", state["missing"])):
            if names and not state["drawn"]:
                yield what, ", ".join(names)


def _counts(entry: Mapping[str, Any], state: Mapping[str, Any] | None) -> Iterator[str]:
    """Return a table of the images found and known, by class and split."""
    title = "known" if not state else "drawn / known" if state["drawn"] else "found / known"
    found = state["counts"] if state else {}
    splits = [split for split in entry["splits"] if split in entry["images"] or split in found]
    rows = [[title, *splits]]
    for name in entry["classes"]:
        row = [name]
        for split in splits:
            known, have = entry["images"].get(split, {}).get(name), found.get(split, {}).get(name)
            stated = "?" if known is None else f"{known:,}"
            row.append(stated if have is None else f"{have:,} / {stated}")
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([f"  {first:<{widths[0]}}", *cells])
