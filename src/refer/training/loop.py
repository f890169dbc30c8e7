"""Train one run: resident uint8 images, batched augmentation, a checkpoint an epoch, the same bits after a kill."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import torch

from refer import BEHAVIOUR, files
from refer.lock import locked
from refer.networks.weights import initial_weights
from refer.plan import Run
from refer.training.averaging import Average
from refer.training.data import load_index
from refer.training.environment import choose_device, same_bits, start_meter
from refer.training.epoch import Epochs, FailedError, Report
from refer.training.freezing import Freezing, backbone_of
from refer.training.leftovers import FAILED, RESUME, forget
from refer.training.optimisation import build_optimizer
from refer.training.outcome import OUTPUTS, complete
from refer.training.state import State, describe, restore, save, written
from refer.training.stopping import StoppedError, Stopping
from refer.training.task import build_task, identity_of
from refer.training.watching import look_once


def train(
    run: Run,
    prepared: Path,
    split: Path,
    out: Path,
    *,
    preset: str = "",
    device: str = "auto",
    deterministic: bool = False,
    threads: int = 1,
    parents: Mapping[str, Path] | None = None,
    backgrounds: Path | None = None,
    report: Report | None = None,
    keep_state: bool = False,
) -> None:
    """Train a run and write checkpoint.safetensors, training.csv and run.json into `out`.

    Every epoch's state lies in `out/resume.safetensors` until the run is complete. A run that is started
    again goes on from there, if it is the same run (recipe, network, data, device kind, precision); on the CPU it ends
    with the bits that it would have had without the interruption.

    Args:
        run: the cell to train.
        prepared: folder of images.npy, index.parquet and prepare.json.
        split: the parquet that says which image is in which part.
        out: the run's folder.
        preset: goes into run.json.
        device: `auto`, `cpu`, `cuda` or `mps`.
        deterministic: take only operations that give the same bits each time, on a GPU; a CPU does anyway.
        threads: of the CPU. The bits may depend on it, so it is part of what a resume must agree in.
        parents: branch of the network, or `network` for all of it → checkpoint of the run that it needs.
        backgrounds: folder of prepared backgrounds, for a recipe that composes.
        report: told how far the run is.
        keep_state: leave the last state behind, for `forget` to remove. A run that is trained again although it was
            complete, as where nobody noticed that it was, is then complete at once.

    Raises:
        UserError: no such device, an operation that is not `deterministic`, unfitting data, another job that writes
            this run, or a folder that cannot be written; the epochs before stay saved.
        FailedError: the loss is no number any more, or diverges. `failed.json` says where, and no result is left.
        StoppedError: the process was told to end; the state is saved, within the epoch if need be.
    """
    started = datetime.now(UTC)
    torch.set_num_threads(threads)
    where = choose_device(device)
    meter = start_meter(where)
    index, classes = load_index(prepared, split, run.fold or 0)
    data_fingerprint = str(files.read_json(prepared / "prepare.json")["fingerprint"])
    identity = {
        "run": run.as_dict(),
        "data": data_fingerprint,
        "split": files.sha256(split),
        "device": where.type,
        "behaviour": BEHAVIOUR["training"],
        "weights": initial_weights(run.network),
        "threads": threads if where.type == "cpu" else 0,
        "torch": torch.__version__,
        **({"deterministic": True} if deterministic and where.type != "cpu" else {}),
        **({"parents": identity_of(parents)} if parents else {}),
        **({"backgrounds": files.sha256(backgrounds / "backgrounds.npy")} if backgrounds else {}),
    }

    with same_bits(where, deterministic):
        task = build_task(run, prepared, index, len(classes), where, parents or {}, backgrounds)
    network = task.network
    precision = task.precision(run.recipe.precision or "fp32", where)
    print(precision, flush=True)
    identity["precision"] = precision.name
    optimizer = None
    if task.learns:
        optimizer = build_optimizer(network.parameters(), run.recipe, backbone_of(network))
    freezing = Freezing(network, run.recipe.freeze_epochs if task.learns else 0)
    state = State(network, optimizer)
    if task.learns and run.recipe.ema:
        state.average = Average(network)
    resume = out / RESUME
    with written(out), locked(out) as lock, Stopping() as stopping, same_bits(where, deterministic):
        (out / FAILED).unlink(missing_ok=True)
        restore(state, resume, identity, where)
        if not task.learns:
            look_once(run, state, task, where)
        epochs = Epochs(run, task, len(classes), where, precision, stopping, report, freezing)
        try:
            while task.learns and state.epoch < run.recipe.epochs:
                epochs.next(state)
                meter.used()  # the processor's counter begins anew now and then, which is only seen by who looks
                lock.check()
                save(state, resume, identity, where)
        except StoppedError as stopped:
            lock.check()
            save(state, resume, identity, where)
            where_it_is = f"It was at {describe(state)}, which is saved: the same command goes on there."
            raise StoppedError(f"{run.path}: {stopped} {where_it_is}") from None
        except FailedError as failed:
            lock.check()
            for name in OUTPUTS:
                (out / name).unlink(missing_ok=True)
            files.write_json(out / FAILED, failed.facts)
            raise
        lock.check()
        complete(run, state, task, index, classes, where, out, preset, threads, precision, identity, started, meter)
        if not keep_state:
            forget(out)
