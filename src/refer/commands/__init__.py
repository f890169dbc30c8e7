"""The subcommands of `refer`, one a file: each module adds its parser with `add` and does its work in `run`."""
