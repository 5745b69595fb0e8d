"""GitHub's REST API for one repository: requests that end in time, lists page by page, and files out of artifacts.

An answer that cannot be read is an error: what is not heard must never look like silence.
"""

from __future__ import annotations

import http.client
import io
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, Final

from cd4ml.errors import OptionsError, UnavailableError

TOKEN: Final = "CD4ML_GITHUB_TOKEN"
LARGEST: Final = 32_000_000  # bytes of an answer, and of a file in an artifact
_SECONDS: Final = 10.0  # of silence
_LONGEST: Final = 120.0  # seconds until an answer has come as a whole
_PART: Final = 1_000_000  # bytes
_PAGES: Final = 10
_PER_PAGE: Final = 100
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_TOKEN: Final = re.compile(r"[!-~]+", re.ASCII)
_BROKEN_ARCHIVE: Final = (zipfile.BadZipFile, zlib.error, ValueError, RuntimeError, KeyError, OSError, EOFError)


class RefusedError(UnavailableError):
    """The API answers a request with an error.

    Args:
        status: that of the answer.
    """

    def __init__(self, message: str, *, advice: str, status: int) -> None:
        super().__init__(message, advice=advice)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Client:
    """Speaks to the REST API for one repository.

    Attributes:
        api: address of the API.
        repository: owner/name.
        permissions: what the token must be allowed, for messages; for example "`issues: write`".
    """

    api: str
    repository: str
    token: str = field(repr=False)
    permissions: str

    def __post_init__(self) -> None:
        """Refuse to send the token over an open line."""
        if not _is_closed(self.api):
            raise OptionsError(f"GITHUB_API_URL: {self.api} is not an https address")

    def json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request and return the JSON of the answer; an empty object for an empty answer.

        Args:
            path: below the repository's address, with the query if there is one.

        Raises:
            RefusedError: the API answers with an error.
            UnavailableError: it is out of reach, redirects more than a GET, or does not answer in JSON.
        """
        return self._json(self._send(method, path, body))

    def _json(self, data: bytes) -> Any:
        """Return the JSON of an answer."""
        try:
            return json.loads(data) if data else {}
        except (ValueError, RecursionError) as error:
            raise UnavailableError(f"The API at {self.api} answers with something that is not JSON.") from error

    def graphql(self, query: str, variables: Mapping[str, Any]) -> Any:
        """Ask the GraphQL API; return its answer, which may hold errors.

        Raises:
            RefusedError: the API answers with an error.
            UnavailableError: it is out of reach, or does not answer in JSON.
        """
        address = f"{self.api.removesuffix('/v3')}/graphql"
        return self._json(self._send("POST", "graphql", {"query": query, "variables": variables}, address))

    def pages(self, path: str, key: str | None = None, **query: str) -> Iterator[Any]:
        """Yield the items of a list, page by page.

        Args:
            key: where the list stands in an answer; None if it is the answer.

        Raises:
            UnavailableError: a page cannot be read, or the list goes on after the last page that is asked for.
        """
        for page in range(1, _PAGES + 1):
            words = urllib.parse.urlencode({**query, "per_page": str(_PER_PAGE), "page": str(page)})
            found = self.json("GET", f"{path}?{words}")
            with self.understood():
                items = found[key] if key else found
                if not isinstance(items, list):
                    raise TypeError(f"{path} is not a list")
            yield from items
            if len(items) < _PER_PAGE:
                return
        raise UnavailableError(f"{path}: more than {_PER_PAGE * _PAGES} entries; not all can be read.")

    def artifact_file(self, artifact: int, ending: str) -> bytes:
        """Return the one file of an artifact whose name ends in some way.

        Raises:
            UnavailableError: the artifact cannot be read, has no such file or several, or it is too large.
        """
        data = self._send("GET", f"actions/artifacts/{artifact}/zip")
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                entries = [item for item in archive.infolist() if item.filename.endswith(ending)]
                if len(entries) != 1:
                    raise ValueError(f"{len(entries)} files end in {ending}, expected one")
                (entry,) = entries
                if entry.file_size > LARGEST:
                    raise ValueError(f"{ending} is larger than {LARGEST} bytes")
                if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError(f"{ending} is compressed in a way that the platform does not use")
                return archive.read(entry)
        except _BROKEN_ARCHIVE as error:
            raise UnavailableError(f"Artifact {artifact} cannot be read: {error}.") from error

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Say in one sentence that an answer has another form than GitHub's.

        Raises:
            UnavailableError: it has.
        """
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnavailableError(f"The API at {self.api} does not answer as GitHub's does: {error!r}.") from error

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None, address: str = "") -> bytes:
        """Send a request and return the answer; a server that is silent or far too slow is not waited for."""
        request = urllib.request.Request(
            address or f"{self.api}/repos/{self.repository}/{path}".rstrip("/"),
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Accept": "application/vnd.github+json", "Content-Type": "application/json"},
        )
        # Not for the storage that an artifact's address leads to.
        request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        asked = f"{method} {path.partition('?')[0]}"
        try:
            with urllib.request.build_opener(_Redirects).open(request, timeout=_SECONDS) as answer:
                data = _read(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(
                    f"{asked}: the API answers {error.code}.",
                    advice=f"The job needs {self.permissions}.",
                    status=error.code,
                ) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise UnavailableError(f"The API at {self.api} cannot be reached: {error}.") from error
        if len(data) > LARGEST:
            raise UnavailableError(f"{asked}: the answer is larger than {LARGEST} bytes.")
        return data


def connect(environ: Mapping[str, str], repository: str | None = None, *, permissions: str) -> Client:
    """Return a client from the caller's environment.

    Args:
        repository: owner/name; by default that of the workflow.

    Raises:
        OptionsError: it does not say which repository, has no token, or the API's address is not https.
    """
    repository = repository or environ.get("GITHUB_REPOSITORY") or ""
    token = (environ.get(TOKEN) or environ.get("GITHUB_TOKEN") or "").strip()
    problems = []
    if repository.count("/") != 1 or not all(part.strip(".") for part in repository.split("/")):
        problems.append(f"github-repository must be OWNER/NAME, got {repository!r}")
    if not token:
        problems.append(f"{TOKEN} is not set")
    elif not _TOKEN.fullmatch(token):
        problems.append(f"{TOKEN} is not a token: it holds spaces, line breaks or letters beyond ASCII")
    if problems:
        raise OptionsError(problems)
    api = environ.get("GITHUB_API_URL") or "https://api.github.com"
    return Client(api=api.rstrip("/"), repository=repository, token=token, permissions=permissions)


def _read(answer: http.client.HTTPResponse) -> bytes:
    """Return an answer up to a little beyond the largest that is taken."""
    ends = time.monotonic() + _LONGEST
    parts, size = [], 0
    while size <= LARGEST and (part := answer.read1(_PART)):
        parts.append(part)
        size += len(part)
        if time.monotonic() > ends:
            raise TimeoutError(f"no whole answer within {_LONGEST:g} seconds")
    if answer.length and size <= LARGEST:
        raise http.client.IncompleteRead(b"".join(parts), answer.length)
    return b"".join(parts)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a GET to where an artifact lies; any other request would become a GET on its way."""

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
        if req.get_method() != "GET" or not _is_closed(newurl):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_closed(address: str) -> bool:
    """Whether nobody on the way can read or change what is sent: https, or this machine itself."""
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
