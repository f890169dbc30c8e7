"""On what, with which versions, from which commit: what run.json says of the machine."""

from __future__ import annotations

import platform
import subprocess
import sys
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import refer
from refer.errors import UserError
from refer.training.energy import Meter


def choose_device(name: str) -> torch.device:
    """The device of that name, or for `auto` the best that is there.

    Raises:
        UserError: the named device is not on this machine.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    if not available.get(name, False):
        there = ", ".join(kind for kind, is_there in available.items() if is_there)
        raise UserError(f"device: {name} is not to be had on this machine, only {there}; set device to one of those.")
    return torch.device(name)


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 where the device is quick at it; CPUs and Apple's GPUs stay at float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def describe_device(device: torch.device, threads: int) -> dict[str, Any]:
    """Kind, name and precision, for run.json."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    precision = "bfloat16 autocast" if device.type == "cuda" else "float32"
    return {"device": device.type, "device_name": name, "threads": threads, "precision": precision}


def start_meter(device: torch.device) -> Meter:
    """Begin to count the energy that goes into the device that trains, where the machine can tell."""
    if device.type != "cuda":
        return Meter(device.type)
    at: Any = torch.cuda.get_device_properties(device)
    return Meter("cuda", f"{at.pci_domain_id:08x}:{at.pci_bus_id:02x}:{at.pci_device_id:02x}.0")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Of Python and of the packages that decide numbers."""
    packages = ("torch", "torchvision", "numpy", "safetensors", "snakemake")
    return {
        "refer": refer.__version__,
        "python": sys.version.split()[0],
        **{name: version(name) for name in packages},
    }


def git_state() -> dict[str, Any]:
    """The commit of the code, and whether tracked files differ from it; nulls outside a repository."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=here, capture_output=True, text=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if commit is None or changed is None else bool(changed)}
