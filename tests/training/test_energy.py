"""What training cost in energy: counters that begin anew, that may not be read, and that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from refer.reporting.tables.notes import energy
from refer.training.energy import Meter


def zone(root: Path, name: str, counted: int, limit: int = 1000) -> Path:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "energy_uj").write_text(f"{counted}\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")
    return folder


def test_packages_are_added_and_their_parts_are_not(tmp_path: Path) -> None:
    zones = [zone(tmp_path, name, 10**6, 10**9) for name in ("intel-rapl:0", "intel-rapl:1")]
    core = zone(tmp_path, "intel-rapl:0:0", 0, 10**9)
    meter = Meter("cpu", zones=tmp_path)
    for folder, counted in zip([*zones, core], (3 * 10**6, 2 * 10**6, 10**8), strict=True):
        (folder / "energy_uj").write_text(str(counted))
    used = meter.used()
    assert used is not None
    assert (used["joules"], used["meter"]) == (3.0, "RAPL (processor)")
    assert used["seconds"] >= 0


def test_a_counter_that_begins_anew_is_followed(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", 9 * 10**8, 10**9)
    meter = Meter("cpu", zones=tmp_path)
    for counted in (2 * 10**8, 7 * 10**8, 10**8):
        (folder / "energy_uj").write_text(str(counted))
        used = meter.used()
    assert used is not None
    assert used["joules"] == pytest.approx(1200)


def test_where_nothing_counts_nothing_is_said(tmp_path: Path) -> None:
    assert Meter("cpu", zones=tmp_path).used() is None
    assert Meter("mps", zones=tmp_path).used() is None
    assert Meter("cuda", "00000000:00:00.0", zones=tmp_path).used() is None
    (zone(tmp_path, "intel-rapl:0", 5) / "energy_uj").unlink()
    assert Meter("cpu", zones=tmp_path).used() is None


def test_a_counter_that_goes_away_is_no_error(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", 5)
    meter = Meter("cpu", zones=tmp_path)
    (folder / "energy_uj").unlink()
    assert meter.used() is None


def test_the_report_says_what_was_counted() -> None:
    counted = {"energy": {"joules": 1.8e6, "seconds": 3600, "meter": "NVML (GPU)"}, "seconds": 3600}
    assert energy([counted, counted]) == "1 kWh by NVML (GPU)"
    assert energy([counted, {"energy": None, "seconds": 3600}]) == "0.5 kWh by NVML (GPU), of 1 h 00 min in 2 h 00 min"
    assert energy([{"energy": None, "seconds": 1}]) == "not measurable on this machine"
    assert energy([{"seconds": 1}]) == "not recorded", "of before it was"
