"""Snakemake's `--logger refer`: what runs, how far each job is, and how long the rest will take.

Snakemake imports every logger plugin each time it starts, so this module imports next to nothing; the rest
is loaded when the logger is used.
"""

from __future__ import annotations

from logging import LogRecord
from typing import TYPE_CHECKING

from snakemake_interface_logger_plugins.base import LogHandlerBase

if TYPE_CHECKING:
    from snakemake_logger_plugin_refer.handler import Handler


class LogHandler(LogHandlerBase):
    """The entry point that Snakemake looks for; all work is done by `handler.Handler`."""

    _handler: Handler

    def __post_init__(self) -> None:
        """Choose the display: live on a terminal, plain lines elsewhere."""
        from snakemake_logger_plugin_refer.handler import Handler

        self._handler = Handler(self.common_settings)

    def emit(self, record: LogRecord) -> None:
        """Show one record of Snakemake; never raises."""
        self._handler.take(record)

    def close(self) -> None:
        """Give the terminal back and print the summary; Snakemake may call this more than once."""
        self._handler.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """Take the place of Snakemake's own output on the terminal."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Leave Snakemake's log file to Snakemake."""
        return False

    @property
    def has_filter(self) -> bool:
        """See every record: the state must be kept up even where `--quiet` silences the lines."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Format here."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Need no rule graph."""
        return False
