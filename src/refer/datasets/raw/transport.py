"""One request: redirects followed with care, and its failures told apart into lasting and passing ones."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from refer.datasets.raw.places import Remote, is_fetched
from refer.errors import UserError

if TYPE_CHECKING:
    import requests

TIMEOUT = 30  # seconds without an answer
REDIRECTS = 5
PASSING = (408, 425, 429, 500, 502, 503, 504)  # HTTP states that another try may not meet


class Passing(Exception):  # noqa: N818 (no error yet: the next try may not meet it)
    """Something that another try may not meet; `wait` is what the server asks for, in seconds."""

    def __init__(self, host: str, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.host, self.reason, self.wait = host, reason, wait


def ask(session: requests.Session, method: str, remote: Remote, headers: dict[str, str]) -> requests.Response:
    """Ask for a file, following redirects, and return the answer with its body unread: HTTP 200, 206 or 416.

    Raises:
        UserError: the server refuses, or leads to where nothing is fetched from.
        Passing: no answer, or one that may be another the next time.
    """
    import requests

    url = remote.url
    if not is_fetched(url):
        raise final(remote, url, "only https:// is fetched")
    for _ in range(REDIRECTS + 1):
        try:
            response = session.request(
                method,
                url,
                # Of a compressed transfer, "from byte 1000 on" would mean something else.
                headers={"Accept-Encoding": "identity", **headers},
                stream=True,
                allow_redirects=False,
                timeout=TIMEOUT,
            )
        except requests.exceptions.SSLError as error:
            raise final(remote, url, reason(error)) from None
        except ValueError:  # requests looks at the next address, too
            raise final(remote, url, "it, or what it redirects to, is no URL") from None
        except requests.exceptions.RequestException as error:
            raise Passing(host(url), reason(error)) from error
        if not response.is_redirect:
            break
        response.close()
        url = _next(remote, url, response.headers["Location"])
    else:
        raise final(remote, url, f"more than {REDIRECTS} redirects")
    if response.status_code in (200, 206, 416):
        return response
    response.close()
    status = f"HTTP {response.status_code} {response.reason}".strip()
    if response.status_code in PASSING:
        wait = response.headers.get("Retry-After", "")
        raise Passing(host(url), status, float(wait) if wait.isdecimal() else 0.0)
    raise final(remote, url, status)


def _next(remote: Remote, url: str, location: str) -> str:
    """Return where a redirect leads to, if anything is fetched from there."""
    try:
        target = urljoin(url, location)
        fetched = is_fetched(target) and not (url.startswith("https:") and not target.startswith("https:"))
    except ValueError:
        target, fetched = "", False
    if not fetched:
        where = Remote(target, "", "").shown or "nowhere"
        raise final(remote, url, f"it redirects to {where}, and only https:// is fetched")
    return target


def final(remote: Remote, url: str, reason: str) -> UserError:
    """Return the sentence about a file that another try would not bring either; `url` is who said so."""
    by = "" if host(url) == remote.host else f" by {host(url)}"
    return UserError(
        f"{remote.shown} could not be downloaded ({reason}{by}): correct the source, or download it yourself and "
        "give its path."
    )


def host(url: str) -> str:
    """Return the server that a URL names, without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def reason(error: Exception) -> str:
    """Describe a network error without the URL that requests puts into it."""
    name = type(error).__name__
    known = {
        "ChunkedEncodingError": "the connection broke off",
        "ConnectionError": "no connection",
        "ConnectTimeout": "no answer",
        "ReadTimeout": "no answer",
        "SSLError": "its certificate is not trusted",
    }
    return known.get(name, name)
