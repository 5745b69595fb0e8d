"""The registry: one digest by every name, an answer in time whatever the server does, no secret in a message."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cd4ml.digests import folder_sha256
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.registry import look, MissingModelError, alias_version, fetch, set_alias, version_exists
from cd4ml.registry.asking import addresses
from cd4ml.wording import redacted
from tests import models, registries
from tests.conftest import ROOT
from tests.ports import free_port

PROMISED_SECONDS = 15.0
CANARY = "c4n4ry"


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model folder."""
    frame = models.people()
    folder = tmp_path_factory.mktemp("saved") / "model"
    return models.save(models.classifier(frame), folder, frame[["age", "income", "city"]])


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, saved: Path) -> str:
    """Return a SQLite registry with two versions of a model, the first of them production."""
    uri = registries.new_store(tmp_path_factory.mktemp("store"))
    registries.register(uri, "credit", [saved, saved], aliases={"champion": "1"})
    return uri


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory, store: str) -> Iterator[str]:
    """Run `mlflow server` on that registry."""
    with registries.server(store, tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(params=["store", "address"])
def registry(request: pytest.FixtureRequest) -> str:
    """Return the registry, by its database and by its server."""
    return str(request.getfixturevalue(request.param))


@contextmanager
def answering(status: int, body: bytes, *, seconds_per_byte: float = 0.0) -> Iterator[str]:
    """Run a server that gives one answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """One answer to everything."""

        def do_GET(self) -> None:
            """Answer, byte by byte if asked to."""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                for position in range(len(body)):
                    self.wfile.write(body[position : position + 1])
                    time.sleep(seconds_per_byte)
            except OSError:
                pass

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://someone:{CANARY}@in@127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_same_digest_by_alias_version_and_folder(registry: str, saved: Path, tmp_path: Path) -> None:
    """A model has one digest, whether it comes by alias, by version, over HTTP or from a folder."""
    _, by_alias = fetch("models:/credit@champion", tmp_path / "a", tracking_uri=registry, environ=os.environ)
    _, by_version = fetch("models:/credit/1", tmp_path / "b", tracking_uri=registry, environ=os.environ)
    _, by_folder = fetch(str(saved), tmp_path / "c", tracking_uri=None, environ={})

    assert by_alias.sha256 == by_version.sha256 == by_folder.sha256 == folder_sha256(saved)
    assert (by_alias.name, by_alias.version, by_alias.alias) == ("credit", "1", "champion")
    assert (by_version.version, by_version.alias, by_folder.name) == ("1", None, None)


@pytest.mark.parametrize(("database", "parts"), [(False, False), (True, True)], ids=["server", "database"])
def test_worker__imports_what_a_server_needs(database: bool, parts: bool, tmp_path: Path) -> None:
    """At a server, a look-up does without parts of MLflow that cost as much as all the rest; a database needs them."""
    missing = json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such model"}).encode()
    program = (
        "import sys; from cd4ml.registry import worker; worker.main(); "
        "print('judges:', 'mlflow.genai.judges' in sys.modules)"
    )
    with answering(404, missing) as address:
        uri = f"sqlite:///{tmp_path}/registry.db" if database else address
        look_up = {"operation": "version", "name": "credit", "version": "1"}
        request = {"registry_uri": uri, "tracking_uri": uri, "operations": [look_up], "each": False}
        found = subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps(request),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert '"error": "missing"' in found.stdout, found.stderr
    assert f"judges: {parts}" in found.stderr


def test_alias_moves_and_is_read_back(registry: str) -> None:
    """An alias is set, read back, and moved."""
    for version in ("1", "2"):
        set_alias("credit", "moving", version, tracking_uri=registry, environ=os.environ)
        assert alias_version("credit", "moving", tracking_uri=registry, environ=os.environ) == version


def test_missing_is_told_apart(registry: str, tmp_path: Path) -> None:
    """The registry's own "no such alias, version or model" is no outage."""
    assert alias_version("credit", "nobody", tracking_uri=registry, environ=os.environ) is None
    assert alias_version("nothing", "nobody", tracking_uri=registry, environ=os.environ) is None
    assert not version_exists("credit", "99", tracking_uri=registry, environ=os.environ)
    assert version_exists("credit", "2", tracking_uri=registry, environ=os.environ)
    with pytest.raises(MissingModelError):
        fetch("models:/credit@nobody", tmp_path / "x", tracking_uri=registry, environ=os.environ)
    with pytest.raises(MissingModelError):
        set_alias("credit", "champion", "99", tracking_uri=registry, environ=os.environ)


def test_missing_alias__the_others_are_named(registry: str, tmp_path: Path) -> None:
    """A misspelt alias is answered with the aliases that there are."""
    with pytest.raises(MissingModelError, match=r"nobody not found\. credit has the aliases champion \(version 1\)"):
        fetch("models:/credit@nobody", tmp_path / "x", tracking_uri=registry, environ=os.environ)


def test_unknown_model__the_nearest_is_named(registry: str, tmp_path: Path) -> None:
    """A misspelt name of a model is answered with the one that is registered."""
    with pytest.raises(MissingModelError, match=r"not found\. Did you mean credit\?"):
        fetch("models:/credits@champion", tmp_path / "x", tracking_uri=registry, environ=os.environ)


def test_look__each_model_is_answered_for(registry: str, saved: Path, tmp_path: Path) -> None:
    """One look fetches what says how models are loaded, and no more; one that is missing does not hide the others."""
    models = ["models:/credit@nobody", "models:/credit@champion", "models:/credit/Production", str(saved), "nowhere"]

    seen = look(models, tmp_path, tracking_uri=registry, environ=os.environ)

    assert list(map(type, (seen[name] for name in models))) == [
        MissingModelError,
        type(tmp_path),
        OptionsError,
        type(saved),
        UnavailableError,
    ]
    folder = seen["models:/credit@champion"]
    assert isinstance(folder, Path)
    assert {file.name for file in folder.iterdir()} == {"MLmodel", "requirements.txt", "python_env.yaml"}


def test_look__a_registry_that_does_not_answer_says_nothing(tmp_path: Path) -> None:
    """Who looks first is no judge: a server that takes too long leaves the model out."""
    with answering(200, b"{}" * 50, seconds_per_byte=1.0) as registry:
        seen = look(["models:/credit@champion"], tmp_path, tracking_uri=registry, environ=os.environ, seconds=0.2)

    assert seen == {}


def test_folder_as_registry__what_to_do(tmp_path: Path) -> None:
    """A store in files, which MLflow no longer opens, is answered with the way out."""
    (tmp_path / "mlruns").mkdir()
    environ = {name: value for name, value in os.environ.items() if name != "MLFLOW_ALLOW_FILE_STORE"}

    with pytest.raises(UnavailableError, match="a folder of files") as refused:
        fetch("models:/a@b", tmp_path / "x", tracking_uri=str(tmp_path / "mlruns"), environ=environ)

    assert "mlflow migrate-filestore" in refused.value.advice and "MLFLOW_ALLOW_FILE_STORE" in refused.value.advice


@pytest.mark.parametrize("uri", ["127.0.0.1:5000", "mlflow.example:5000/prefix"])
def test_address_without_scheme__said(uri: str) -> None:
    """A server's address that lacks its scheme is no file: the advice writes it out."""
    with pytest.raises(UnavailableError, match=f"For a server write http://{uri}"):
        alias_version("credit", "champion", tracking_uri=uri, environ={})


@pytest.mark.parametrize(
    "uri",
    [
        "models:/../etc",
        "models:/..@champion",
        "models:/credit/../other/1",
        "models:/%252e%252e/1",
        "models:/%2e%2e@champion",
        "models:/credit\\..\\x/1",
        "models:/credit/latest",
        "models:/credit/1/2",
        "models:/credit@champion/x",
        "models:/credit@a@b",
        "models:/credit/1\n",
        "models:/credit",
        "models://host/credit/1",
        "runs:/x/../../",
        "runs:/0123/model",
        "file:///etc",
        "s3://other/model",
        "https://example.org/model",
        "mlflow-artifacts:/model",
    ],
)
def test_foreign_uris__refused(uri: str, tmp_path: Path) -> None:
    """Anything but a registered version, a registered alias or a folder is refused before any look-up."""
    with pytest.raises(OptionsError):
        fetch(uri, tmp_path / "x", tracking_uri="http://127.0.0.1:9", environ={})

    assert not (tmp_path / "x").exists()


def _unavailable(tracking_uri: str) -> tuple[UnavailableError, float]:
    """Return the error of a look-up and the seconds it took."""
    started = time.monotonic()
    with pytest.raises(UnavailableError) as caught:
        alias_version("credit", "champion", tracking_uri=tracking_uri, environ=os.environ)
    return caught.value, time.monotonic() - started


@pytest.mark.parametrize(
    "answer",
    [
        (404, b"<h1>Not Found</h1>", 0.0),
        (404, b'{"detail": "Registered model alias not found"}', 0.0),
        (401, b"Unauthorized", 0.0),
        (500, b"oops", 0.0),
        (503, b"", 0.0),
        (200, b"<html>Sign in</html>", 0.0),
        (200, b"{}", 0.0),
        (200, b'{"a": "' + b"x" * 100, 1.0),
    ],
    ids=["404-page", "404-json", "401", "500", "503", "sign-in-page", "empty-json", "drip"],
)
def test_wrong_answers__unavailable_in_time(answer: tuple[int, bytes, float]) -> None:
    """A server that is ill, slow or no registry is "unavailable" in time: never "no such alias", no password said."""
    status, body, pace = answer
    with answering(status, body, seconds_per_byte=pace) as address:
        error, seconds = _unavailable(address)

    assert not isinstance(error, MissingModelError)
    assert seconds < PROMISED_SECONDS
    assert CANARY not in str(error)
    assert "someone" not in str(error) and "@in@" not in str(error)


def test_server_down__unavailable_in_time() -> None:
    """A port that nobody listens on is "unavailable" within 15 s."""
    _, seconds = _unavailable(f"http://someone:{CANARY}@127.0.0.1:{free_port()}")

    assert seconds < PROMISED_SECONDS


def test_server_down__said_before_mlflow_is_imported() -> None:
    """That nobody listens needs no MLflow to be said: its import alone may outlast the promise on a cold machine."""
    address = f"http://127.0.0.1:{free_port()}"
    request = {"tracking_uri": address, "registry_uri": address, "operations": []}
    without_packages = [sys.executable, "-I", "-S", str(ROOT / "cd4ml" / "registry" / "worker.py")]
    result = subprocess.run(
        without_packages, input=json.dumps(request), env={}, capture_output=True, text=True, check=False
    )

    assert json.loads(result.stdout)["error"] == "unavailable", result.stderr
    assert "refused" in result.stdout and result.returncode == 1


def test_server_that_never_answers__unavailable_in_time() -> None:
    """A socket that takes connections and says nothing (a black hole) is "unavailable" within 15 s."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        _, seconds = _unavailable(f"http://127.0.0.1:{hole.getsockname()[1]}")

    assert seconds < PROMISED_SECONDS


def test_server_stops_between_two_lookups__unavailable(store: str, tmp_path: Path) -> None:
    """A real server that is stopped becomes "unavailable", though it had the alias a moment ago."""
    with registries.server(store, tmp_path) as address:
        assert alias_version("credit", "champion", tracking_uri=address, environ=os.environ) == "1"
    _, seconds = _unavailable(address)

    assert seconds < PROMISED_SECONDS


@pytest.mark.parametrize("uri", ["sqlite:///absent.db", "file:absent", "absent-folder"])
def test_absent_store__unavailable(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local store that is not there is "unavailable" and is not made: an empty one has no production model."""
    monkeypatch.chdir(tmp_path)
    error, _ = _unavailable(uri)

    assert not isinstance(error, MissingModelError)
    assert not list(tmp_path.iterdir())


def test_no_registry_named__refused() -> None:
    """Without an address no registry is guessed (MLflow would make one in the current folder)."""
    with pytest.raises(OptionsError, match="no registry is configured"):
        alias_version("credit", "champion", tracking_uri=None, environ={})


def test_lost_artifacts__unavailable_not_missing(saved: Path, tmp_path: Path) -> None:
    """A version whose files are gone exists: it must never look like a first release."""
    copy = shutil.copytree(saved, tmp_path / "copy")
    uri = registries.new_store(tmp_path / "store")
    registries.register(uri, "credit", [copy], aliases={"champion": "1"})
    shutil.rmtree(copy)
    with pytest.raises(UnavailableError) as caught:
        fetch("models:/credit@champion", tmp_path / "x", tracking_uri=uri, environ=os.environ)

    assert not isinstance(caught.value, MissingModelError)


def _swap(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(b"other")


def _extra(folder: Path) -> None:
    (folder / "extra.py").write_text("")


def _rename(folder: Path) -> None:
    (folder / "conda.yaml").rename(folder / "conda2.yaml")


def _remove(folder: Path) -> None:
    (folder / "conda.yaml").unlink()


def _hide(folder: Path) -> None:
    """Put a model where MLflow keeps its note, whose digest does not count."""
    (folder / "registered_model_meta").write_bytes((folder / "model.pkl").read_bytes())


def _hide_code(folder: Path) -> None:
    """Put Python that reads like the note's first line there."""
    (folder / "registered_model_meta").write_text("model_name: __import__('os').getpid()\nmodel_version: 1\n")


@pytest.mark.parametrize("change", [_swap, _extra, _rename, _remove, _hide, _hide_code])
def test_changed_files__other_digest(change: Callable[[Path], None], saved: Path, tmp_path: Path) -> None:
    """Every change of a model's files changes its digest, files that pose as MLflow's note included."""
    copy = shutil.copytree(saved, tmp_path / "copy")
    before = folder_sha256(copy)
    change(copy)

    assert folder_sha256(copy) != before


def test_mlflows_note__same_digest(saved: Path, tmp_path: Path) -> None:
    """MLflow's note on where a copy came from is no part of the model."""
    copy = shutil.copytree(saved, tmp_path / "copy")
    (copy / "registered_model_meta").write_text("model_name: credit card-2\nmodel_version: '12'\n")

    assert folder_sha256(copy) == folder_sha256(saved)


def test_link_in_folder__refused(saved: Path, tmp_path: Path) -> None:
    """A symbolic link in a model folder is refused: it could point anywhere tomorrow."""
    copy = shutil.copytree(saved, tmp_path / "copy")
    (copy / "weights").symlink_to("/etc/hostname")
    with pytest.raises(OptionsError, match="not a regular file"):
        fetch(str(copy), tmp_path / "x", tracking_uri=None, environ={})


def test_name_with_a_line_break__refused(saved: Path, tmp_path: Path) -> None:
    """A file whose name holds the manifest line of another could stand for both under one digest: it is refused."""
    copy = shutil.copytree(saved, tmp_path / "copy")
    (copy / f"python_env.yaml\n{'0' * 64}  requirements.txt").write_text("python: 3.11\n")
    with pytest.raises(OptionsError, match="line break"):
        fetch(str(copy), tmp_path / "x", tracking_uri=None, environ={})


def test_folder_without_model__unavailable(tmp_path: Path) -> None:
    """A folder without MLmodel is no model."""
    with pytest.raises(UnavailableError, match="MLmodel"):
        fetch(str(tmp_path), tmp_path / "x", tracking_uri=None, environ={})


@pytest.mark.parametrize(
    "text",
    ["http://u:SECRET@h/p", "mysql+pymysql://u:SEC@RET@h/db", "at 'https://SECRET@h' and http://u:SECRET@h"],
)
def test_redacted(text: str) -> None:
    """Names and passwords of URLs vanish, passwords that hold an @ included."""
    shown = redacted(text)

    assert "SEC" not in shown and "RET" not in shown
    assert "***@h" in shown


@pytest.mark.parametrize(
    ("tracking", "registry", "name", "expected"),
    [
        ("http://t", "", "credit", ("http://t", "http://t")),
        ("http://t", "http://r", "credit", ("http://t", "http://r")),
        ("", "http://r", "credit", ("http://r", "http://r")),
        ("databricks", "", "credit", ("databricks", "databricks")),
        ("databricks", "", "main.ml.credit", ("databricks", "databricks-uc")),
        ("databricks://prod", "", "main.ml.credit", ("databricks://prod", "databricks-uc://prod")),
        ("databricks", "databricks-uc://other", "main.ml.credit", ("databricks", "databricks-uc://other")),
        ("databricks-uc", "", "main.ml.credit", ("databricks", "databricks-uc")),
        ("databricks-uc://prod", "", "main.ml.credit", ("databricks://prod", "databricks-uc://prod")),
        ("", "databricks-uc", "main.ml.credit", ("databricks", "databricks-uc")),
    ],
)
def test_addresses__as_mlflow_resolves_them(tracking: str, registry: str, name: str, expected: tuple[str, str]) -> None:
    """Runs are tracked at one address and models registered at another, where both are named or Databricks is."""
    assert addresses(tracking, registry, name) == expected


def test_registry_apart_from_tracking__asked(tmp_path: Path) -> None:
    """A champion that only the registry knows is found; the tracking store, which knows none, is not believed."""
    tracking, registry = registries.new_store(tmp_path / "tracking"), registries.new_store(tmp_path / "registry")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    registries.register(registry, "credit", [folder], aliases={"champion": "1"})
    environ = {**os.environ, "MLFLOW_REGISTRY_URI": registry}

    assert alias_version("credit", "champion", tracking_uri=tracking, environ=environ) == "1"
    assert alias_version("credit", "champion", tracking_uri=tracking, environ=dict(os.environ)) is None
    _, identity = fetch("models:/credit@champion", tmp_path / "x", tracking_uri=tracking, environ=environ)
    assert identity.version == "1"


def test_registry_that_is_down__not_taken_for_an_empty_one(tmp_path: Path) -> None:
    """A registry that does not answer is an error, though the tracking store beside it does."""
    environ = {**os.environ, "MLFLOW_REGISTRY_URI": f"http://127.0.0.1:{free_port()}"}

    with pytest.raises(UnavailableError):
        alias_version("credit", "champion", tracking_uri=registries.new_store(tmp_path / "t"), environ=environ)


@pytest.mark.parametrize("stage", ["Production", "Staging", "None", "latest"])
def test_mlflow_stage__alias_advised(tmp_path: Path, stage: str) -> None:
    """A model that is named by an MLflow stage is refused with the alias that takes its place."""
    with pytest.raises(OptionsError) as caught:
        fetch(f"models:/churn/{stage}", tmp_path, tracking_uri="sqlite:///x", environ={})

    assert "models:/churn@champion" in caught.value.advice


def test_alias_that_nobody_set__says_how_to(store: str, tmp_path: Path) -> None:
    """A missing alias, of a candidate too, comes with how one is set."""
    with pytest.raises(MissingModelError) as caught:
        fetch("models:/credit@challenger", tmp_path / "x", tracking_uri=store, environ=dict(os.environ))

    assert "set_registered_model_alias" in caught.value.advice
