"""Signing as the job itself, as far as that goes without Sigstore's services: what is asked for, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from sigstore.models import ClientTrustConfig

from cd4ml.errors import UnavailableError
from cd4ml.evidence.sign import find_signer
from cd4ml.evidence.signer import NobodySignsError
from cd4ml.evidence.statement import Resource, Statement

STATEMENT = Statement(subjects=(Resource(name="x", digest={"sha256": "a" * 64}),), predicate_type="t", predicate={})


@contextmanager
def platform(answer: bytes, status: int = 200) -> Iterator[tuple[dict[str, str], list[tuple[str, str]]]]:
    """Serve what a platform answers when a job asks for a token; give the job's environment, and what was asked."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        """Answers every request alike."""

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """Note what is asked, and answer."""
            asked.append((self.path, self.headers.get("Authorization", "")))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/token?api-version=2"
    try:
        yield {"ACTIONS_ID_TOKEN_REQUEST_URL": address, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job-secret"}, asked
    finally:
        server.shutdown()
        server.server_close()


def sign(environ: dict[str, str]) -> bytes:
    """Sign a statement as a job."""
    signer = find_signer(None, keyless=True, environ=environ)
    assert signer is not None
    return signer.sign(STATEMENT)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sigstore's own list of its services, as the library brings it: nothing is fetched."""
    found = ClientTrustConfig.production(offline=True)
    monkeypatch.setattr(ClientTrustConfig, "production", lambda: found)


@pytest.mark.parametrize("environ", [{}, {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x.example"}])
def test_a_job_without_an_identity_is_refused_at_once(environ: dict[str, str]) -> None:
    """Without `id-token: write` nothing is built that could not be signed."""
    with pytest.raises(NobodySignsError, match="no identity") as refused:
        find_signer(None, keyless=True, environ=environ)
    assert "id-token: write" in refused.value.advice


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("answer", "status"), [(b"", 200), (b"[]", 200), (b'{"value": 1}', 200), (b"{}", 200), (b"no", 403)]
)
def test_a_platform_that_gives_no_token_signs_nothing(answer: bytes, status: int) -> None:
    """Whatever a platform answers in the place of a token ends the signing, and the job's secret is not repeated."""
    with platform(answer, status) as (environ, asked), pytest.raises(UnavailableError) as refused:
        sign(environ)
    assert asked[0][0].endswith("api-version=2&audience=sigstore") and asked[0][1] == "bearer job-secret"
    assert "job-secret" not in str(refused.value)


@pytest.mark.usefixtures("offline")
def test_a_token_that_is_none_signs_nothing() -> None:
    """A token that Sigstore's library cannot read as an identity is refused before it is sent anywhere."""
    answer = json.dumps({"value": "not.a.token"}).encode()
    with platform(answer) as (environ, _), pytest.raises(UnavailableError, match="Sigstore did not sign"):
        sign(environ)
