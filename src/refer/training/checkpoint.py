"""What a run leaves behind to go on from: one safetensors file an epoch, never a pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from refer.errors import UserError
from refer.files import whole


def save(path: Path, groups: Mapping[str, Mapping[str, Tensor]], metadata: Mapping[str, Any]) -> None:
    """Write groups of tensors as `<group>/<name>`, with JSON metadata, whole or not at all."""
    tensors = {
        f"{group}/{name}": value.detach().cpu().contiguous()
        for group, entries in groups.items()
        for name, value in entries.items()
    }
    with whole(path) as temporary:
        # Not save_file, whose files nobody but the owner may read, whatever the umask.
        temporary.write_bytes(serialise(tensors, {"refer": json.dumps(metadata, sort_keys=True)}))


def load(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read what `save` wrote, on the CPU.

    Raises:
        UserError: the file is damaged or was not written by this project.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = json.loads(handle.metadata()["refer"])
            for key in handle.keys():  # noqa: SIM118 - not a mapping
                group, name = key.split("/", 1)
                groups.setdefault(group, {})[name] = handle.get_tensor(key)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a whole checkpoint of this project ({error}); delete it and run again.") from None
    return groups, metadata
