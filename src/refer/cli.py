"""`refer …`: what is handy outside the DAG."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

from refer import __version__, commands
from refer.errors import UserError, of_the_machine


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand, each a module of `refer.commands`; returns the exit status, 1 for what the user can mend."""
    parser = argparse.ArgumentParser(prog="refer", description=__doc__)
    parser.add_argument("--version", action="version", version=f"refer {__version__}")
    parsers = parser.add_subparsers(required=True, metavar="command")
    for module in iter_modules(commands.__path__):
        import_module(f"{commands.__name__}.{module.name}").add(parsers)
    parsed = parser.parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except UserError as error:
        print(error, file=sys.stderr)
    except Exception as error:
        line = of_the_machine(error)
        if line is None:
            raise
        print(line, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
