"""An HTTP server on this machine that misbehaves as told, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Asked(NamedTuple):
    method: str
    path: str
    range: str | None


class Served(ThreadingHTTPServer):
    """Serves `content` at any path. Each GET takes the next of `steps`; behind the last one it is served well.

    A step is "cut" (half of it, then the line is dead), "half" (as "cut", but without saying how long), "endless",
    a status such as 503, or an address to redirect to.
    """

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.steps: list[str | int] = []
        self.asked: list[Asked] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Served

    def do_GET(self) -> None:
        self._note()
        step = self.server.steps.pop(0) if self.server.steps else "fine"
        if isinstance(step, int):
            self.send_response(step)
            self.end_headers()
        elif "://" in step or step.startswith("/"):
            self.send_response(302)
            self.send_header("Location", step)
            self.end_headers()
        else:
            self._serve(step)

    def _serve(self, step: str) -> None:
        content = self.server.content
        self.send_response(200)
        if step == "endless":
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(bytes(1 << 16))
        if step != "half":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if step in ("cut", "half") else content)

    def _note(self) -> None:
        self.server.asked.append(Asked(self.command, self.path, self.headers.get("Range")))

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
