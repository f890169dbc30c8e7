"""`refer …`: what is handy outside the DAG."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from refer import files, yaml
from refer.errors import UserError
from refer.spec import Config, Paper, load_paper, load_plan

SCHEMAS: dict[str, type[BaseModel]] = {"config": Config, "paper": Paper}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status, 1 for something that the user can mend."""
    parser = argparse.ArgumentParser(prog="refer", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    check = commands.add_parser("check", help="check configurations and papers, and count the runs they ask for")
    check.add_argument("files", nargs="*", type=Path, default=[Path("config.yaml")], metavar="FILE")
    schema = commands.add_parser("schema", help="write the JSON schemas of configurations and papers")
    schema.add_argument("folder", nargs="?", type=Path, default=Path("workflow/schemas"))
    commands.add_parser("datasets", help="list the data sets and how to get them")
    parsed = parser.parse_args(arguments)
    try:
        if parsed.command == "check":
            _check(parsed.files)
        elif parsed.command == "schema":
            _write_schemas(parsed.folder)
        else:
            _datasets()
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def schema_text(name: str) -> str:
    """The JSON schema of `config` or `paper`, as it stands in workflow/schemas/."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(dialect | SCHEMAS[name].model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _check(paths: Sequence[Path]) -> None:
    for path in paths:
        if "reproduce" in (content := yaml.read(path)) or "id" not in content:
            runs = list(load_plan(content, str(path)).runs())
            print(f"{path}: {len(runs)} runs of {len({run.paper for run in runs})} paper(s).")
        else:
            paper = load_paper(path)
            print(f"{path}: {len(paper.methods)} methods, {len(paper.reported)} reported numbers.")


def _write_schemas(folder: Path) -> None:
    for name in SCHEMAS:
        files.write_text(folder / f"{name}.schema.json", schema_text(name))
        print(folder / f"{name}.schema.json")


def _datasets() -> None:
    from refer.datasets.catalog import DATASETS

    for entry in DATASETS.values():
        print(f"{entry.name}: {entry.title}\n  licence: {entry.licence}\n  {entry.how_to_get}\n")


if __name__ == "__main__":
    sys.exit(main())
