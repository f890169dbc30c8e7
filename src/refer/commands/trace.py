"""`refer trace`: where a number of a table comes from."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ALTERED = ("as_released", "checkpoint_agrees")
"""What is false of a run whose predictions are others than those of the release or of its training."""
DIGITS = 12  # of a hash: enough to find a file by; --json has all


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("trace", help="say where a number of a table comes from, and make it anew")
    parser.add_argument("table", type=Path, metavar="TABLE.csv", help="results/<preset>/tables/<table>.csv")
    parser.add_argument("--cell", metavar="WORD:…:COLUMN", help="e.g. full:private:mean")
    parser.add_argument("--row", nargs="+", metavar="WORD", default=[], help="what names the row: full private, seed=0")
    parser.add_argument("--column", metavar="COLUMN")
    parser.add_argument("--configfile", type=Path, help="of the preset (found in presets/ and config.yaml)")
    parser.add_argument("--json", action="store_true", help="as JSON, with whole hashes")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Do it; returns the exit status, 1 where the number is another one or what it is made from was altered."""
    from refer.release.trace import read_table, trace

    words, column = list(parsed.row), parsed.column
    if parsed.cell is not None:
        *more, column = parsed.cell.split(":")
        words += more
    if column is None:
        table = read_table(parsed.table)
        print(f"{parsed.table}: {len(table.rows)} rows; name one with --cell ROW:COLUMN or --row and --column")
        print("rows:", *(f"  {table.named(row)}" for row in table.rows), sep="\n")
        print(f"columns: {', '.join(table.columns)}")
        return 0
    chain = trace(parsed.table, words, column, parsed.configfile)
    if parsed.json:
        import json

        _print([json.dumps(chain, indent=2, ensure_ascii=False)])
    else:
        _print(told(chain))
    altered = any(run[what] is False for run in chain["runs"] for what in ALTERED)
    return 1 if chain["agrees"] is False or altered else 0


def _print(lines: Iterable[str]) -> None:
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def told(chain: Mapping[str, Any]) -> Iterator[str]:
    """Yield the chain as lines for a person."""
    yield f"{chain['table']}"
    yield f"  {' · '.join(chain['row'].values())} → {chain['column']} = {chain['value'] or 'empty'}"
    yield f"  {_verdict(chain)}"
    runs = chain["runs"]
    for run in runs:
        yield ""
        yield from _run(run)
    for data in chain["data"]:
        yield ""
        yield from _data(data, runs)
    configuration = chain["configuration"]
    yield ""
    yield f"configuration  {configuration['file']} (preset {configuration['preset']})"
    for paper in configuration["papers"].values():
        yield f"  paper        {paper['file']}"
        yield from _listed("changed", [f"{key} = {value}" for key, value in paper["changed"].items()])
        chosen = [f"{key} = {choice}{_overruled(paper, key)}" for key, choice in paper["chosen"].items()]
        yield from _listed("ambiguities", chosen)


def _overruled(paper: Mapping[str, Any], key: str) -> str:
    return f" (overruled: {paper['overruled'][key]})" if key in paper["overruled"] else ""


def _verdict(chain: Mapping[str, Any]) -> str:
    if chain["agrees"] is None:
        return "not made anew: nothing says how this table is made from what lies here"
    if chain["agrees"]:
        return f"recomputed from {chain['from']}: {_short(chain['recomputed'])}: agrees"
    found = _short(chain["recomputed"]) if chain["recomputed"] else "no such row"
    return f"recomputed from {chain['from']}: {found}: DISAGREES with {_short(chain['value']) or 'empty'}"


def _short(text: str) -> str:
    """Return a number as a table shows it."""
    try:
        return text if float(text).is_integer() else f"{float(text):.4g}"
    except ValueError:
        return text or "empty"


def _run(run: Mapping[str, Any]) -> Iterator[str]:
    device, versions = run["device"], run["versions"]
    yield run["folder"]
    if run["n"]:
        share = 100 * run["right"] / run["n"]
        yield f"  right        {run['right']:,} of {run['n']:,} ({share:.2f} %), {run['removed']:,} more removed"
    released = {True: ", as released", False: ", NOT AS RELEASED (release.json)", None: ""}[run["as_released"]]
    yield f"  predictions  sha256 {run['predictions_sha256'][:DIGITS]}{released}"
    agrees = "as run.json and predictions say" if run["checkpoint_agrees"] else "run.json and predictions DISAGREE"
    here = {True: "; the file here agrees", False: "; THE FILE HERE IS ANOTHER", None: "; not here"}
    yield f"  checkpoint   sha256 {run['checkpoint_sha256'][:DIGITS]}, {agrees}{here[run['checkpoint_here']]}"
    yield f"  selected     {run['selection']}"
    yield f"  trained      {run['started']} to {run['finished']}, {run['seconds']:,.0f} s"
    threads = f"{device['threads']} thread{'s' if device['threads'] != 1 else ''}"
    machine = (device["device_name"], device["device"], threads, device["precision"])
    yield f"  device       {', '.join(str(each) for each in machine if each)}"
    commit = f"commit {run['git_commit'][:DIGITS]}" if run["git_commit"] else "commit not known"
    dirty = " with changes on top" if run["git_dirty"] else ""
    software = ", ".join(f"{name} {versions[name]}" for name in ("refer", "torch", "python") if name in versions)
    yield f"  code         {commit}{dirty}; {software}"


def _data(data: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    kind = "DRAWN stand-in" if data["stand_in"] else "real"
    protocol = f", {data['protocol']} protocol" if data["protocol"] else ""
    yield f"data           {data['data']} ({kind}{protocol}): {data['title']}"
    mine = [run for run in runs if f"/{data['data']}/{data['protocol']}/" in run["folder"]]
    fingerprints = [run["data_fingerprint"] for run in mine] or [data["data_fingerprint"]]
    for fingerprint in dict.fromkeys(filter(None, fingerprints)):
        yield f"  fingerprint  {fingerprint[:DIGITS]}"
    for parts in dict.fromkeys(", ".join(f"{part} {n:,}" for part, n in run["parts"].items()) for run in mine):
        yield f"  images       {parts}"
    for name in ("split", "audit"):
        if data[name]:
            yield f"  {name:<12} {data[name]['file']}, sha256 {data[name]['sha256'][:DIGITS]}"


def _listed(title: str, items: Sequence[str]) -> Iterator[str]:
    for number, item in enumerate(items):
        yield f"  {title if number == 0 else '':<12} {item}"
