"""Catch what is written past the display, so that the display cannot wipe it out."""

from __future__ import annotations

import io
import os
import select
import threading
from collections.abc import Callable
from typing import TextIO


class Capture:
    """Lead standard error (and output, if it is a terminal) of this process and its jobs through a pipe.

    A live display moves the cursor up and draws over what stands there; a line that a job writes straight
    to the terminal in between would be lost. Whole lines arriving here are handed to `line` instead.

    `terminal` is the real terminal, to be used by the display alone.
    """

    def __init__(self, line: Callable[[str], None]):
        self._line = line
        descriptors = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
        self._saved = {descriptor: os.dup(descriptor) for descriptor in descriptors}
        self.terminal: TextIO = io.TextIOWrapper(
            os.fdopen(os.dup(2), "wb"), encoding="utf-8", errors="replace", write_through=True
        )
        self._stop = threading.Event()
        self._pipe, entrance = os.pipe()
        for descriptor in descriptors:
            os.dup2(entrance, descriptor)
        os.close(entrance)
        self._reader = threading.Thread(target=self._read, name="refer-capture", daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """Give the terminal back to everybody and hand on what is still in the pipe."""
        while self._saved:
            descriptor, saved = self._saved.popitem()
            os.dup2(saved, descriptor)
            os.close(saved)
        self._stop.set()
        self._reader.join(timeout=2)

    def _read(self) -> None:
        # A job that outlives Snakemake keeps the pipe open, so its end cannot be waited for.
        rest = b""
        try:
            while True:
                ready, _, _ = select.select([self._pipe], [], [], 0.1)
                chunk = os.read(self._pipe, 65_536) if ready else b""
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._line(line.decode("utf-8", errors="replace"))
                if not chunk and (ready or self._stop.is_set()):
                    break
            if rest:
                self._line(rest.decode("utf-8", errors="replace"))
        finally:
            os.close(self._pipe)
