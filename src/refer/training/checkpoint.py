"""What a run leaves behind to go on from: one safetensors file an epoch, never a pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from refer import records
from refer.errors import UserError
from refer.files import seal, whole

AGAIN = "delete it and run again."


def save(path: Path, groups: Mapping[str, Mapping[str, Tensor]], metadata: Mapping[str, Any]) -> None:
    """Write groups of tensors as `<group>/<name>`, with JSON metadata and a seal, whole or not at all."""
    tensors = {
        f"{group}/{name}": value.detach().cpu().contiguous()
        for group, entries in groups.items()
        for name, value in entries.items()
    }
    about = json.loads(json.dumps(metadata))
    about["seal"] = _seal(tensors, about)
    with whole(path) as temporary:
        # Not save_file, whose files nobody but the owner may read, whatever the umask. One entry of metadata, for
        # safetensors writes several in any order.
        temporary.write_bytes(serialise(tensors, {"refer": json.dumps(about, sort_keys=True)}))


def load(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read what `save` wrote, on the CPU.

    Raises:
        UserError: the file is damaged or was not written by this project.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = records.embedded((handle.metadata() or {}).get("refer"), records.Told, str(path), AGAIN)
            tensors = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118 - not a mapping
        # Nothing else would notice a turned bit among the weights. Older versions wrote no seal.
        stated = metadata.pop("seal", None)
        if stated is not None and stated != _seal(tensors, metadata):
            raise ValueError("its content is not what its seal states")
        for key, tensor in tensors.items():
            group, name = key.split("/", 1)
            groups.setdefault(group, {})[name] = tensor
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: not a whole checkpoint of this project ({error}); {AGAIN}") from None
    return groups, metadata


def _seal(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    content = ((name, tensor.contiguous().reshape(-1).view(torch.uint8).numpy()) for name, tensor in tensors.items())
    return seal(content, {**about, "shapes": {name: list(tensor.shape) for name, tensor in tensors.items()}})
