"""On what, with which versions, from which commit: what run.json says of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import refer
from refer.errors import UserError
from refer.processor import processor_name
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


@contextmanager
def same_bits(device: torch.device, wanted: bool) -> Iterator[None]:
    """Within it, a GPU takes only operations that give the same bits each time, if that is `wanted`.

    A CPU gives them anyway, with the same number of threads.

    Raises:
        UserError: an operation has no such kind.
    """
    if not wanted or device.type == "cpu":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        what = str(error).partition(" does not have a deterministic")[0]
        raise UserError(
            f"deterministic: {what} gives other bits each time on {device.type}; train on the CPU or set it to false."
        ) from None
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def describe_device(device: torch.device, threads: int) -> dict[str, Any]:
    """Kind and name, and whether it gives the same bits each time, for run.json."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
    same = device.type == "cpu" or torch.are_deterministic_algorithms_enabled()
    return {"device": device.type, "device_name": name, "threads": threads, "deterministic": same}


def start_meter(device: torch.device) -> Meter:
    """Begin to count the energy that goes into the device that trains, where the machine can tell."""
    if device.type != "cuda":
        return Meter(device.type)
    at: Any = torch.cuda.get_device_properties(device)
    return Meter("cuda", f"{at.pci_domain_id:08x}:{at.pci_bus_id:02x}:{at.pci_device_id:02x}.0")


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
