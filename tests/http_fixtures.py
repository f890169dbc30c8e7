"""An HTTP server on this machine that misbehaves as told, and remembers what it was asked."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Asked(NamedTuple):
    method: str
    path: str
    range: str | None
    condition: str | None  # If-Range


class Served(ThreadingHTTPServer):
    """Serves `content` at any path. Each GET takes the next of `steps`; behind the last one it is served well.

    A step is "cut" (half of what was asked for, then the line is dead), "stale" (206 from the wrong byte), "half"
    (as "cut", but without saying how long it is), a status such as 503, or an address to redirect to.
    """

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.steps: list[str | int] = []
        self.asked: list[Asked] = []
        self.ranges = True
        self.tag: str | None = '"one"'
        self.modified: str | None = None
        self.states_length = True
        self.headers: dict[str, str] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def gets(self) -> list[Asked]:
        return [one for one in self.asked if one.method == "GET"]


class _Handler(BaseHTTPRequestHandler):
    server: Served

    def do_HEAD(self) -> None:
        self._note()
        self.send_response(200)
        if self.server.states_length:
            self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()

    def do_GET(self) -> None:
        self._note()
        step = self.server.steps.pop(0) if self.server.steps else "fine"
        if isinstance(step, int):
            self.send_response(step)
            for name, value in self.server.headers.items():
                self.send_header(name, value)
            self.end_headers()
        elif "://" in step or step.startswith("/"):
            self.send_response(302)
            self.send_header("Location", step)
            self.end_headers()
        else:
            self._serve(step)

    def _serve(self, step: str) -> None:
        content, start = self.server.content, self._start()
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            first = start + 1 if step == "stale" else start
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        if step != "half":
            self.send_header("Content-Length", str(len(content) - start))
        for name, value in (("ETag", self.server.tag), ("Last-Modified", self.server.modified)):
            if value:
                self.send_header(name, value)
        self.end_headers()
        rest = content[start:]
        self.wfile.write(rest[: len(rest) // 2] if step in ("cut", "half") else rest)

    def _start(self) -> int:
        """Return the byte that was asked for, 0 for all of it."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, self.server.tag, self.server.modified)
        return int(found[1]) if found and same and self.server.ranges else 0

    def _note(self) -> None:
        self.server.asked.append(
            Asked(self.command, self.path, self.headers.get("Range"), self.headers.get("If-Range"))
        )

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(content: bytes) -> Iterator[Served]:
    server = Served(content)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
