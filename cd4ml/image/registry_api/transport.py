"""Requests to a registry: only over a safe way, followed where they lead, and tried again where that may help."""

from __future__ import annotations

import email.utils
import http.client
import io
import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import IO, Final, TypeVar
from urllib.parse import urlsplit

from cd4ml.errors import UnavailableError

_SECONDS: Final = 60.0
_WAITS: Final = (0.5, 1.5, 4.0)
_LONGEST_WAIT: Final = 20.0
# The server is not able to answer now; anything else it means.
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_LOOPBACK: Final = re.compile(r"127(?:\.\d+){3}|localhost|::1")
_SAID: Final = 300

Answer = http.client.HTTPResponse
Taken = TypeVar("Taken")


class RegistryError(UnavailableError):
    """The registry answered, and not as it was hoped.

    Attributes:
        status: the HTTP status.
        address: who answered so, in the end: a request may have been led elsewhere.
    """

    def __init__(self, message: str, *, status: int, headers: Message, address: str, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.status = status
        self.address = address
        self.headers = headers


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked; the body is bytes, or a file that is sent as it is."""

    method: str
    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Path | None = None
    authorization: str | None = field(default=None, repr=False)


class BrokenOffError(UnavailableError):
    """The registry was not reached, or its answer did not arrive whole: the next attempt may be better."""


def opened(request: Request) -> Answer:
    """Send a request once, and return the answer, which is to be closed.

    Raises:
        RegistryError: the registry refuses.
        UnavailableError: it cannot be reached.
    """
    if not closed(request.address):
        raise UnavailableError(f"{_named(request)}: only https is spoken with another machine.")
    with _body(request.body) as (data, size):
        asked = urllib.request.Request(request.address, data=data, method=request.method, headers=dict(request.headers))
        if data is not None:
            asked.add_header("Content-Length", str(size))
            if not asked.has_header("Content-type"):
                asked.add_header("Content-type", "application/octet-stream")
        if request.authorization:
            # Not for the storage that a blob's address leads to.
            asked.add_unredirected_header("Authorization", request.authorization)
        try:
            answer: Answer = _opener(request.address).open(asked, timeout=_SECONDS)
            return answer
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(request, error) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise _unreachable(request, error) from error


@contextmanager
def reading(answer: Answer) -> Iterator[Answer]:
    """Close an answer in the end, and say so if it breaks off."""
    try:
        with answer:
            yield answer
    except (TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException) as error:
        raise BrokenOffError(f"{urlsplit(answer.url).netloc}: the registry's answer breaks off: {error}.") from error


def retried(step: Callable[[], Taken]) -> Taken:
    """Take a step again after a while if the registry was not able to answer, or its answer broke off."""
    for wait in _WAITS:
        try:
            return step()
        except RegistryError as error:
            if error.status not in _PASSING:
                raise
            time.sleep(max(wait, _retry_after(error.headers)))
        except BrokenOffError:
            time.sleep(wait)
    return step()


def origin(address: str) -> tuple[str, str]:
    """Return to whom an address belongs: its scheme, and its host with its port."""
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


def closed(address: str) -> bool:
    """Whether nobody on the way can read or change what is sent: https, or this machine itself."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _LOOPBACK.fullmatch(host) is not None)


@contextmanager
def _body(body: bytes | Path | None) -> Iterator[tuple[IO[bytes] | bytes | None, int]]:
    """Open what is sent, and say how long it is."""
    if isinstance(body, Path):
        with body.open("rb") as stream:
            yield stream, body.stat().st_size
    else:
        yield (io.BytesIO(body) if body else body), len(body or b"")


def _opener(address: str) -> urllib.request.OpenerDirector:
    """Return what opens an address: by the machine's proxy, but not to the machine itself."""
    handlers: list[urllib.request.BaseHandler] = [_Redirects()]
    if _LOOPBACK.fullmatch(urlsplit(address).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows those who only read to where a blob lies, over a safe way alone."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the next request, None where it is not made: the answer then counts as an error."""
        if req.get_method() not in ("GET", "HEAD") or not closed(newurl):
            return None
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None:
            following.method = req.get_method()
            if origin(newurl) == origin(req.full_url) and req.has_header("Authorization"):
                following.add_unredirected_header("Authorization", str(req.get_header("Authorization")))
        return following


def _unreachable(request: Request, error: Exception) -> UnavailableError:
    """Return what to say of a registry that gives no answer; one that nobody vouches for is not asked again."""
    reason = getattr(error, "reason", None) or error
    message = f"{_named(request)}: the registry cannot be reached: {reason}."
    return UnavailableError(message) if isinstance(reason, ssl.SSLCertVerificationError) else BrokenOffError(message)


def _refusal(request: Request, error: urllib.error.HTTPError) -> RegistryError:
    """Return what to say of an answer that is an error."""
    try:
        said = _first_error(error.read(65536))
    except (OSError, http.client.HTTPException):
        said = ""
    advice = (
        "Log in to the registry (docker login), with an account that may do this." if error.code in (401, 403) else ""
    )
    message = f"{_named(request)}: the registry answers {error.code}" + (f": {said}" if said else "")
    return RegistryError(message, status=error.code, headers=error.headers, address=error.url, advice=advice)


def _first_error(body: bytes) -> str:
    """Return what the body of an error says first, in one line; nothing if it is in no known format."""
    try:
        first = json.loads(body)["errors"][0]
        words = f"{first.get('code', '')} {first.get('message', '')}"
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in words).strip()[:_SAID]


def _named(request: Request) -> str:
    """Return a request's name for messages, without the query, which may hold a secret."""
    parts = urlsplit(request.address)
    return f"{request.method} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _retry_after(headers: Message) -> float:
    """Return how many seconds the registry wants to be left alone, within reason."""
    text = str(headers.get("Retry-After") or "")
    if text.isdigit():
        return min(float(text), _LONGEST_WAIT)
    try:
        return min(max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0.0), _LONGEST_WAIT)
    except (ValueError, TypeError):
        return 0.0
