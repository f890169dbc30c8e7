"""What a training cost in energy, where the machine counts it: the processor's (RAPL) or the GPU's own meter (NVML).

Both meters count everything that runs there, other jobs too, and nothing else of the machine.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Reader = Callable[[], float]
"""Returns joules since some moment."""
ZONES = Path("/sys/class/powercap")


class Meter:
    """Counts energy from now on; `device` is `cpu`, `cuda` or another kind, `bus` the PCI address of a GPU."""

    def __init__(self, device: str, bus: str | None = None, zones: Path = ZONES) -> None:
        self.name, self.read = "RAPL (processor)", _rapl(zones) if device == "cpu" else None
        if device == "cuda" and bus is not None:
            self.name, self.read = "NVML (GPU)", _nvml(bus)
        self.since, self.before = time.perf_counter(), self.read() if self.read else 0.0

    def used(self) -> dict[str, Any] | None:
        """Return joules, the seconds that they are of and the meter, for run.json; None where nothing is counted."""
        if self.read is None:
            return None
        try:
            joules = self.read() - self.before
        except OSError:
            return None
        seconds = time.perf_counter() - self.since
        return {"joules": round(joules, 1), "seconds": round(seconds, 1), "meter": self.name}


def _rapl(zones: Path) -> Reader | None:
    """Return a reader of all processor packages together; None where there is no counter that may be read.

    Linux lets only root read them unless told otherwise (CVE-2020-8694).
    """
    packages = [Package(path) for path in sorted(zones.glob("intel-rapl:*")) if path.name.count(":") == 1]
    try:
        for each in packages:
            each.joules()
    except (OSError, ValueError):
        return None
    return (lambda: sum(each.joules() for each in packages)) if packages else None


class Package:
    """A counter of microjoules that begins anew at its limit: every hour or so, so that it is read now and then."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.whole, self.last = folder, 0, -1

    def joules(self) -> float:
        """Return joules since it was first read; a round that nobody saw is lost."""
        now = int((self.folder / "energy_uj").read_text())
        if 0 <= now < self.last:
            self.whole += int((self.folder / "max_energy_range_uj").read_text())
        self.last = now
        return (self.whole + now) / 1e6


def _nvml(bus: str) -> Reader | None:
    """Return a reader of a GPU's own counter (Volta and later), by the driver's library; None where there is none."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
        handle, energy = ctypes.c_void_p(), ctypes.c_ulonglong()
        found = library.nvmlInit_v2() or library.nvmlDeviceGetHandleByPciBusId_v2(bus.encode(), ctypes.byref(handle))
        if found or library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(energy)):
            return None
    except (OSError, AttributeError):
        return None

    def joules() -> float:
        if library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(energy)):
            raise OSError("the GPU's energy counter cannot be read any more")
        return energy.value / 1000

    return joules
