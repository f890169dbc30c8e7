"""Predictions that the job of a training makes ahead, so that `infer` need not start PyTorch, 3 s of processor time.

They lie beside the run under a name that no rule declares, with a record of all that decides their bytes. `infer` takes
the file over if the record is that of what it is asked for; where anything differs, or there is none, it predicts by
itself. So each rule keeps its outputs, and a run can be trained or predicted alone. This module imports no PyTorch
before it predicts.
"""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refer import BEHAVIOUR, files
from refer.errors import UserError, of_the_machine
from refer.training.run_folder import AHEAD, BEGUN, FAILED, RECORD
from refer.training.stopping import StoppedError, Stopping

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Asked:
    """What `infer` is asked for.

    Attributes:
        checkpoint: of the trained run.
        prepared: folder of the prepared data.
        split: the parquet that says which image is in which part.
        evaluated: names of the parts that are predicted.
        preset: goes into the predictions.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: of the CPU.
        backgrounds: folder of prepared backgrounds, for a run that composes.
    """

    checkpoint: Path
    prepared: Path
    split: Path
    evaluated: Sequence[str]
    preset: str = ""
    device: str = "auto"
    threads: int = 1
    backgrounds: Path | None = None

    def predict(self, out: Path, stopping: Stopping | None = None) -> None:
        """Write the predictions; see `refer.evaluation.inference.infer`."""
        from refer.evaluation.inference import infer

        infer(
            self.checkpoint, self.prepared, self.split, out, preset=self.preset, device=self.device,
            threads=self.threads, backgrounds=self.backgrounds, stopping=stopping,
        )  # fmt: skip

    def words(self) -> dict[str, Any]:
        """Return what decides the bytes and is in no file."""
        return {
            "evaluated": list(self.evaluated),
            "preset": self.preset,
            "device": self.device,
            "behaviour": BEHAVIOUR["inference"],
        }

    def facts(self) -> dict[str, Any]:
        """Return all that decides the bytes; what a run is, its precision too, its checkpoint says.

        Raises:
            UserError: prepare.json is damaged.
            OSError: a file is missing.
        """
        return {
            **self.words(),
            "checkpoint": files.sha256(self.checkpoint),
            "data": str(files.read_section(self.prepared / "prepare.json", "fingerprint")["fingerprint"]),
            "split": files.sha256(self.split),
            "backgrounds": files.sha256(self.backgrounds / "backgrounds.npy") if self.backgrounds else None,
            "threads": self.threads,
            "torch": version("torch"),
        }


def stands_ready(asked: Asked) -> bool:
    """Whether predictions were made ahead that answer the question, as far as can be said without reading files."""
    try:
        stated = files.read_section(asked.checkpoint.parent / RECORD)
    except (UserError, OSError):
        return False
    return {**stated, **asked.words()} == stated


def predict_ahead(asked: Asked) -> bool:
    """Predict with a network whose training has just ended; True if `infer` can take that over.

    What goes wrong here is left to `infer`, which meets it again and says so: the training is complete, and must not
    fail. An attempt that was killed, as for want of memory, is not made again.

    Raises:
        StoppedError: the process was told to end. The training is complete, and its last state still saved.
    """
    folder = asked.checkpoint.parent
    begun, made, record = (folder / name for name in (BEGUN, AHEAD, RECORD))
    if begun.exists():
        print("predictions are left to infer: the last attempt to make them here was cut off.", flush=True)
        return False
    try:
        with Stopping() as stopping:
            begun.touch()
            record.unlink(missing_ok=True)
            facts = asked.facts()
            _make_room()
            asked.predict(made, stopping)
            from refer.training.environment import choose_device

            if choose_device(asked.device).type != "cpu":
                facts["threads"] = None  # those of the host compute nothing
            files.write_json(record, {**facts, "predictions": files.sha256(made)})
    except StoppedError as stopped:
        raise StoppedError(f"{folder}: {stopped} Its training is complete: the same command goes on there.") from None
    except Exception as error:
        print(f"predictions are left to infer: {of_the_machine(error) or error}", flush=True)
        made.unlink(missing_ok=True)
        return False
    finally:
        begun.unlink(missing_ok=True)
    print(f"predicted {', '.join(asked.evaluated)}", flush=True)
    return True


def take_over(asked: Asked, out: Path) -> bool:
    """Move predictions that were made ahead to `out`, if they are what is asked for; False if they are not."""
    folder = asked.checkpoint.parent
    made = folder / AHEAD
    if (folder / FAILED).exists() or not made.exists():
        return False
    try:
        stated = files.read_section(folder / RECORD)
        wanted = {**asked.facts(), "predictions": files.sha256(made)}
    except (UserError, OSError) as error:
        print(f"predictions made ahead are not taken over: {error}", flush=True)
        return False
    if stated.get("threads", 0) is None:
        wanted["threads"] = None
    if stated != wanted:
        differing = ", ".join(key for key in sorted({*stated, *wanted}) if stated.get(key) != wanted.get(key))
        print(f"predictions made ahead are not taken over: they are of another {differing}.", flush=True)
        return False
    os.utime(made)  # for Snakemake: not older than what they are made from
    made.replace(out)
    print("taken over from the job that trained.", flush=True)
    return True


def _make_room() -> None:
    """Give back what the training held on a GPU."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
