"""`refer plan`: what a configuration will take, before anything is submitted."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refer.planning.estimate import Estimate, Work

GUESS = 10.0
"""TFLOP/s that a GPU is taken to sustain, as long as none was measured."""


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("plan", help="jobs, GPU-hours and disk of a configuration, paper by paper")
    parser.add_argument("--configfile", type=Path, default=Path("config.yaml"))
    parser.add_argument("--devices", type=int, default=8, metavar="N", help="so many at once, beside one (8)")
    parser.add_argument(
        "--device", help="a device of src/refer/planning/rates.csv (cpu where the configuration says so)"
    )
    parser.add_argument("--tflops", type=float, help="what a device sustains, instead of what was measured")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Do it; returns the exit status."""
    from refer import yaml
    from refer.errors import UserError
    from refer.plan import load_plan
    from refer.planning.estimate import estimate
    from refer.planning.rates import read_rates

    if parsed.devices < 1 or (parsed.tflops is not None and parsed.tflops <= 0):
        raise UserError("refer plan: --devices and --tflops must be above 0.")
    plan = load_plan(yaml.read(parsed.configfile), str(parsed.configfile))
    rates = read_rates()
    gpus = sorted({rate.device for rate in rates} - {"cpu", "cpu bf16"})
    device, tflops = parsed.device, parsed.tflops
    if device is None and tflops is None:
        device = "cpu" if plan.config.device == "cpu" else next(iter(gpus), None)
        tflops = GUESS if device is None else None
    found = estimate(plan, rates, device=device or "", devices=parsed.devices, tflops=tflops)
    print(shown(found, str(parsed.configfile), device or "GPU"))
    return 0


def shown(found: Estimate, where: str, device: str) -> str:
    """The estimate as a table in Markdown, and what it rests on."""
    unit = "CPU-core" if device == "cpu" else "GPU"
    rows = [_row(name, work) for name, work in found.papers.items()]
    rows.append(_row("all", found.all))
    head = ["paper", "runs", "trained", "jobs", "images learnt from", f"{unit}-hours", "longest run", "checkpoints"]
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = [f"{where} on {device}", ""]
    for row in (head, ["-" * width for width in widths], *rows):
        cells = [
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"One {unit.lower() if device == 'cpu' else unit}: {_time(found.all.seconds)}. "
        f"{found.devices} at once: {_time(found.together)}. "
        f"Prepared images: {_bytes(found.data_bytes)}; raw archives come on top.",
    ]
    for source, networks in found.sources.items():
        lines.append(f"Speed {source}: {len(networks)} network{'s' * (len(networks) != 1)}.")
    return "\n".join([*lines, *(f"Note: {remark}." for remark in found.remarks)])


def _row(name: str, work: Work) -> list[str]:
    return [
        name,
        f"{work.runs:,}",
        f"{work.trained:,}",
        f"{work.jobs:,}",
        f"{work.images / 1e6:,.1f} M",
        f"{work.seconds / 3600:,.1f}",
        _time(work.longest),
        _bytes(work.bytes),
    ]


def _time(seconds: float) -> str:
    if seconds >= 48 * 3600:
        return f"{seconds / 86400:,.1f} days"
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def _bytes(number: float) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.0f} MB"
