"""Servers that a DVC remote can be: WebDAV and SSH, each on loopback, with a user and a password of the moment."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

USER = "somebody"


@dataclass(frozen=True)
class Remote:
    """How DVC gets there."""

    url: str
    user: str
    password: str


@contextmanager
def webdav(folder: Path) -> Iterator[Remote]:
    """Serve `folder` by WebDAV over HTTP, to those who know the password."""
    wsgi = pytest.importorskip("cheroot.wsgi")
    wsgidav = pytest.importorskip("wsgidav.wsgidav_app")
    pytest.importorskip("dvc_webdav")
    password = secrets.token_hex(16)
    application = wsgidav.WsgiDAVApp(
        {
            "provider_mapping": {"/": str(folder)},
            "simple_dc": {"user_mapping": {"*": {USER: {"password": password}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "verbose": 0,
            "logging": {"enable": False},
        }
    )
    server = wsgi.Server(("127.0.0.1", 0), application)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield Remote(f"webdav://127.0.0.1:{server.bind_addr[1]}/", USER, password)
    finally:
        server.stop()
        thread.join(timeout=10)


@contextmanager
def ssh(folder: Path) -> Iterator[Remote]:
    """Serve `folder` by SFTP over SSH, to those who know the password."""
    asyncssh = pytest.importorskip("asyncssh")
    pytest.importorskip("dvc_ssh")
    password = secrets.token_hex(16)

    class Server(asyncssh.SSHServer):  # type: ignore[misc, name-defined]
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, given: str) -> bool:
            return (username, given) == (USER, password)

    loop = asyncio.new_event_loop()

    async def listen() -> asyncssh.SSHAcceptor:  # type: ignore[name-defined]
        key = asyncssh.generate_private_key("ssh-ed25519")

        def files(channel: object) -> asyncssh.SFTPServer:  # type: ignore[name-defined]
            return asyncssh.SFTPServer(channel, chroot=str(folder))

        return await asyncssh.create_server(Server, "127.0.0.1", 0, server_host_keys=[key], sftp_factory=files)

    server = loop.run_until_complete(listen())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield Remote(f"ssh://127.0.0.1:{server.get_port()}/store", USER, password)
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)


REMOTES = {"webdav": webdav, "ssh": ssh}
