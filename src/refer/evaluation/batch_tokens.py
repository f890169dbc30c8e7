"""What tran2023's formula (1) owes to the images that share a test batch.

softmax(Q Kᵀ / √d) V ⊗ V over two matrices of features takes the images of a batch for tokens: each image then receives
a mean of the values of its neighbours. Fusion attention over the features of two frozen extractors is trained with each
reading of a token, and tested in batches of several sizes, with images in several orders. All are trained in batches
drawn at random; only the tests differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from refer import files, records
from refer.errors import UserError
from refer.plan import Run
from refer.training.data import Part, load_index
from refer.training.environment import choose_device
from refer.training.task import Task, build_task, evaluated_part, extracted, network_of
from refer.training.testing import order_of, plain_view
from refer.training.train import Training


@dataclass(frozen=True)
class Grid:
    """What is varied: the readings of a token, the seeds of fusion attention, and how images are tested."""

    tokens: Sequence[str]
    seeds: Sequence[int]
    orders: Sequence[str]
    batches: Sequence[int]


def measure_batch_tokens(
    run: Run,
    prepared: Path,
    split: Path,
    parents: Mapping[str, Path],
    grid: Grid,
    out: Path,
    *,
    preset: str = "",
    device: str = "auto",
    threads: int = 1,
    report: Callable[[int, int, str], None] | None = None,
) -> None:
    """Write the predicted class of every image that counts, for each reading, seed, order and size of a batch.

    The file has a row for each kept image of the run's last part: id, label (int8), and a column
    `<tokens>.<seed>.<order>.<batch>` (int8) for each test. The schema's metadata, key `refer`, says as JSON which run,
    classes, checkpoints and data they come from. The network of the last epoch is tested, so that no part chooses it.

    Args:
        run: of fusion attention over frozen extractors; its seed is that of the extractors.
        prepared: folder of the prepared data.
        split: says which image is in which part.
        parents: branch of the network → checkpoint of its extractor.
        grid: what is varied.
        out: the parquet file.
        preset: goes into the file.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: of the CPU.
        report: told how many networks of how many are done.

    Raises:
        UserError: the run's extractors are not frozen, or the data do not fit.
    """
    torch.set_num_threads(threads)
    where = choose_device(device)
    index, classes = load_index(prepared, split, run.fold or 0)
    columns: dict[str, NDArray[np.int8]] = {}
    part: Part | None = None
    for tokens in grid.tokens:
        mine = replace(run, select="last", network={**run.network, "tokens": tokens})
        task, part = _prepared(mine, prepared, index, classes, where, parents)
        for number, seed in enumerate(grid.seeds):
            done = list(grid.tokens).index(tokens) * len(grid.seeds) + number
            if report is not None:
                report(done, len(grid.tokens) * len(grid.seeds), f"tokens: {tokens}, seed {seed}")
            decide = _trained(replace(mine, seed=seed), task, classes, where, parents)
            for order, size, answers in answers_in_batches(decide, part, grid.orders, grid.batches):
                columns[f"{tokens}.{seed}.{order}.{size}"] = answers
    assert part is not None
    about = {
        "preset": preset,
        **{key: getattr(run, key) for key in ("paper", "dataset", "data", "protocol", "method", "seed", "stand_in")},
        "part": run.test,
        "classes": classes,
        "network": run.network,
        "recipe": run.recipe.as_dict(),
        "grid": {key: list(getattr(grid, key)) for key in ("tokens", "seeds", "orders", "batches")},
        "parents_sha256": {branch: files.sha256(path) for branch, path in sorted(parents.items())},
        "data_fingerprint": str(records.read(prepared / "prepare.json", records.Stated)["fingerprint"]),
    }
    table = pa.table({"id": part.ids, "label": part.labels.cpu().numpy().astype(np.int8), **columns})
    table = table.replace_schema_metadata({"refer": json.dumps(about, sort_keys=True)})
    with files.whole(out) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


@torch.no_grad()
def answers_in_batches(
    decide: Callable[..., Tensor], part: Part, orders: Sequence[str], batches: Sequence[int]
) -> Iterator[tuple[str, int, NDArray[np.int8]]]:
    """Test on features in every order and size of a batch: yield both, and the predicted classes (N,) int8.

    The classes are in the order of the part, whatever the order of the test. Alone in its batch an image has no
    neighbours, so that batches of one are tested once for all orders.
    """
    alone: NDArray[np.int8] | None = None
    for order in orders:
        numbers = order_of(part.labels.cpu().numpy(), order)
        back, moved = np.argsort(numbers), part.taken(numbers)
        for size in batches:
            if size == 1 and alone is not None:
                yield order, size, alone
                continue
            found = []
            for start in range(0, len(part), size):
                logits = decide(*(features[start : start + size] for features in moved.inputs))
                found.append(logits.argmax(1))
            answers = torch.cat(found).cpu().numpy().astype(np.int8)[back]
            alone = answers if size == 1 else alone
            yield order, size, answers


def _prepared(
    run: Run,
    prepared: Path,
    index: pd.DataFrame,
    classes: Sequence[str],
    where: torch.device,
    parents: Mapping[str, Path],
) -> tuple[Task, Part]:
    """Return what learns from the extractors' features, computed once, and the features of the tested part."""
    task = build_task(run, prepared, index, len(classes), where, parents, None)
    if not getattr(task.network, "frozen", False) or not task.learns or run.recipe.frozen_features != "once":
        raise UserError(f"{run.path}: batch_tokens needs frozen extractors whose features are computed once.")
    part = evaluated_part(run, prepared, index, run.test, where, None, kept_only=True)
    return task, extracted(task.network, task.reader, part, plain_view(run.recipe))


def _trained(
    run: Run, task: Task, classes: Sequence[str], where: torch.device, parents: Mapping[str, Path]
) -> Callable[..., Tensor]:
    """Train fusion attention from a seed, on features that are there already; return what decides on features."""
    network = network_of(run, len(classes), parents).to(where)
    training = Training(run, replace(task, network=network), len(classes), where)
    while training.progress.epoch < run.recipe.epochs:
        training.run_epoch()
    network.eval()
    decide: Callable[..., Tensor] = network.decide  # type: ignore[assignment]
    return decide
