"""What the processor of this machine is and can do. Imports nothing but the standard library."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
BF16 = ("amx_bf16", "avx512_bf16")
"""Instruction sets with bf16 arithmetic, the faster one first. Without them PyTorch computes bf16 by way of fp32."""


@cache
def _cpuinfo() -> dict[str, str]:
    """The entries of the first processor; empty where the system has no such file."""
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = (line.split(":", 1) for line in text.split("\n\n", 1)[0].splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in lines}


def processor_name() -> str:
    """The processor's name, e.g. `AMD EPYC`."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def bf16_instructions() -> str | None:
    """The fastest instruction set with bf16 arithmetic that the processor has; None where none is known."""
    flags = set(_cpuinfo().get("flags", "").split())
    return next((name for name in BF16 if name in flags), None)
