"""`refer schema`: the JSON schemas by which editors and Snakemake check configurations and papers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

NAMES = ("config", "paper")


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("schema", help="write the JSON schemas of configurations and papers")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("workflow/schemas"))
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Write both; returns the exit status."""
    from refer import files

    for name in NAMES:
        path = parsed.folder / f"{name}.schema.json"
        files.write_text(path, schema_text(name))
        print(path)
    return 0


def schema_text(name: str) -> str:
    """Return the JSON schema of `config` or `paper`, as it stands in workflow/schemas/."""
    from pydantic import BaseModel

    from refer.configuration import Config
    from refer.spec import Paper

    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    models: dict[str, type[BaseModel]] = {"config": Config, "paper": Paper}
    return json.dumps(dialect | models[name].model_json_schema(), indent=2, ensure_ascii=False) + "\n"
