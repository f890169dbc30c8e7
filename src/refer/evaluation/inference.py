"""From a checkpoint to a probability per image and class: the border between compute and evidence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from refer import files, records
from refer.errors import UserError
from refer.evaluation.trained import load_trained
from refer.training.data import load_index
from refer.training.environment import choose_device
from refer.training.loader import Loader
from refer.training.run_folder import FAILED
from refer.training.stopping import Stopping
from refer.training.task import evaluated_part
from refer.training.testing import arranged, averaged, together, views_of, warn


@torch.inference_mode()
def infer(
    checkpoint_path: Path,
    prepared: Path,
    split: Path,
    out: Path,
    *,
    preset: str = "",
    device: str = "auto",
    threads: int = 1,
    backgrounds: Path | None = None,
    stopping: Stopping | None = None,
) -> None:
    """Write predictions.parquet: every image of the evaluated parts, also those that an audit removed.

    A network that reads its batch is tested in the batches and the order that the recipe says (see
    `refer.training.testing`); the rows are in the order of the index all the same.

    Of several views of an image (`recipe.views`) the probabilities are averaged. Of several modalities a row is a
    pair of images. Columns: id, part, kept, label (int8), p_<class> (float32,
    0..1) in the order of the classes. The schema's metadata, key `refer`, says as JSON which run and which
    checkpoint they come from.

    Raises:
        UserError: the checkpoint was trained on other data or other classes, or its training is marked as failed.
        StoppedError: as `stopping` says.
    """
    torch.set_num_threads(threads)
    where = choose_device(device)
    if (checkpoint_path.parent / FAILED).exists():
        raise UserError(f"{checkpoint_path.parent}: its training failed, as {FAILED} says; train it again.")
    run, network, reader, metadata = load_trained(checkpoint_path, where)
    index, classes = load_index(prepared, split, run.fold or 0)
    fingerprint = str(records.read(prepared / "prepare.json", records.Stated)["fingerprint"])
    if metadata["classes"] != classes or metadata["data_fingerprint"] != fingerprint:
        raise UserError(f"{checkpoint_path}: trained on other data than {prepared} holds; delete it and run again.")

    warn(network, run.recipe)
    tables = []
    for name in run.evaluated:
        part = evaluated_part(run, prepared, index, name, where, backgrounds, kept_only=False)
        tested, order = arranged(network, part, run.recipe)
        loader, chunks, many = Loader(tested, reader, run.recipe), [], together(network, run.recipe)
        for start in range(0, len(part), many):
            batches = [loader.test_batch(start, start + many, view) for view in views_of(run.recipe)]
            logits = averaged([network(*batch.inputs) for batch in batches])
            chunks.append(logits.softmax(dim=1))
            if stopping is not None:
                stopping.check()
        probabilities = torch.cat(chunks).cpu().numpy()[np.argsort(order)]
        if not np.isfinite(probabilities).all():
            raise UserError(f"{checkpoint_path}: its predictions are no numbers; delete it and train it again.")
        columns = {
            "id": pa.array(part.ids),
            "part": pa.array([name] * len(part)),
            "kept": pa.array(part.kept),
            "label": pa.array(part.labels.cpu().numpy().astype(np.int8)),
            **{f"p_{label}": pa.array(probabilities[:, k]) for k, label in enumerate(classes)},
        }
        tables.append(pa.table(columns))
    origin = {
        "preset": preset,
        **{
            key: getattr(run, key)
            for key in ("paper", "dataset", "data", "protocol", "method", "seed", "fold", "stand_in")
        },
        "classes": classes,
        "checkpoint_sha256": files.sha256(checkpoint_path),
        "data_fingerprint": fingerprint,
    }
    table = pa.concat_tables(tables).replace_schema_metadata({"refer": json.dumps(origin, sort_keys=True)})
    with files.whole(out) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
