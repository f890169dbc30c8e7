"""Subcommands of `refer` that are too long for `refer.cli`: each module adds its parser and runs it."""
