"""`cd4ml serve-analysis`: the verdict on a canary by HTTP, for Argo Rollouts and Flagger.

Each request is answered by a run of analyze-rollout as cd4ml.yaml configures it; one that is younger than
`--reuse-seconds` answers for itself. There is one run at a time, in a process of its own that is ended in time.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import cd4ml
from cd4ml.commands import COMMANDS
from cd4ml.commands.analysis_steps import Steps, step_of
from cd4ml.commands.door import Door
from cd4ml.commands.places import PlacesServer
from cd4ml.commands.plan import refused
from cd4ml.commands.project import change_directory, read_config
from cd4ml.errors import Cd4mlError, OptionsError, UnavailableError
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.options import Options, declared, option
from cd4ml.inputs.values import resolve
from cd4ml.process.programs import completed
from cd4ml.reading import text_file
from cd4ml.report import Status, error_report
from cd4ml.report.reading import LARGEST, parse
from cd4ml.stages import ANALYSIS
from cd4ml.wording import safe

COMMAND: Final = "serve-analysis"
_LONGEST_BODY: Final = 65_536  # bytes; Flagger's are a few hundred
_PATIENCE: Final = 30.0  # seconds in which the whole of a request must have been sent


@dataclass(frozen=True, kw_only=True)
class ServeAnalysisOptions(Options):
    """Options of `cd4ml serve-analysis`."""

    config: str = vocabulary.CONFIG.here("Its section analyze-rollout says what is analyzed.", default="cd4ml.yaml")
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")
    host: str = option(
        "Address to listen on; nobody has to log in, so let only the controller reach it.", default="127.0.0.1"
    )
    port: int = option("Port to listen on; 0 takes a free one.", default=8090)
    analysis_seconds: float = option("How long one analysis may take.", default=60.0)
    reuse_seconds: float = option("How long a verdict also answers later requests.", default=15.0)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What an analysis said: its status, and its report as it was published."""

    status: Status
    document: str


class Analyses:
    """The newest analysis of each step, made when it is asked for."""

    def __init__(self, options: ServeAnalysisOptions, door: Door) -> None:
        """Make none yet."""
        self._options, self._door = options, door
        self._lock = threading.Lock()
        self._steps = Steps()
        self._made: dict[str, tuple[float, Verdict]] = {}

    def latest(self, step: str, ends: Status | None = None) -> Verdict:
        """Return a verdict that is no older than it may be; whoever asks meanwhile waits for the same one.

        Args:
            step: whose data alone count; empty for all that the configuration takes.
            ends: the verdict after which the next step of this name begins.
        """
        with self._lock:
            now, kept = time.monotonic(), self._options.reuse_seconds
            self._made = {name: one for name, one in self._made.items() if now - one[0] <= kept}
            if step not in self._made:
                verdict = self._analyze(self._steps.since(step).isoformat() if step else None)
                self._made[step] = (time.monotonic(), verdict)
            verdict = self._made[step][1]
            if step and verdict.status is ends:
                self._steps.restart(step)
                del self._made[step]
            return verdict

    def _analyze(self, since: str | None) -> Verdict:
        """Run the stage; whatever goes wrong is the status `error`, which lets nothing through."""
        with tempfile.TemporaryDirectory(prefix="cd4ml-analysis-") as folder:
            report = Path(folder) / "report.json"
            try:
                self._run(report, since)
                text = text_file(report, most=LARGEST)
                return Verdict(status=parse(text, ANALYSIS).report.status, document=text)
            except FileNotFoundError:
                return _error(UnavailableError("The analysis left no report."))
            except Cd4mlError as error:
                return _error(error)

    def _run(self, report: Path, since: str | None) -> None:
        """Run the stage in a process of its own, with the modules that this one has."""
        command = [sys.executable, "-P", "-m", "cd4ml", ANALYSIS, "--config", self._options.config]
        environ = {name: value for name, value in self._door.environ.items() if not name.startswith("GITHUB_")}
        environ["PYTHONPATH"] = str(Path(cd4ml.__file__).resolve().parent.parent)
        completed(
            [*command, *(["--since", since] if since else []), "--report", str(report), "--quiet"],
            environ=environ,
            seconds=self._options.analysis_seconds,
            name=f"cd4ml {ANALYSIS}",
            most=LARGEST,
        )


def run(arguments: Sequence[str], door: Door) -> int:
    """Serve until told to end."""
    try:
        options = _options(arguments, door)
        server = _listening(options, Analyses(options, door), door)
    except Cd4mlError as error:
        return refused(COMMAND, error, door)
    with server:
        host, port = server.server_address[:2]
        print(f"cd4ml {COMMAND}: http://{str(host)}:{port}/report", file=door.stderr, flush=True)
        server.serve_forever()
    return 0


def _options(arguments: Sequence[str], door: Door) -> ServeAnalysisOptions:
    """Return the options; what could never give a verdict is refused at once.

    Raises:
        OptionsError: an option is out of bounds, or nothing configures the analysis.
    """
    given = argument_layers(COMMAND, declared(ServeAnalysisOptions), arguments, door.environ, COMMANDS[COMMAND])
    options = resolve(ServeAnalysisOptions, given)
    problems = []
    if not 0 <= options.port <= 65535:
        problems.append(f"port must be from 0 to 65535, got {options.port}")
    if not options.analysis_seconds > 0:
        problems.append(f"analysis-seconds must be above 0, got {options.analysis_seconds:g}")
    if not options.reuse_seconds >= 0:
        problems.append(f"reuse-seconds must not be negative, got {options.reuse_seconds:g}")
    change_directory(options.working_directory)
    if not read_config(options.config).configures(ANALYSIS):
        problems.append(f"{options.config} has no section {ANALYSIS}: there would be nothing to analyze")
    if problems:
        raise OptionsError(problems)
    return options


def _listening(options: ServeAnalysisOptions, analyses: Analyses, door: Door) -> PlacesServer:
    """Return a server that has its port.

    Raises:
        UnavailableError: somebody else has it.
    """

    class Handler(_Handler):
        """The handler of this server's requests."""

    Handler.analyses, Handler.door = analyses, door
    try:
        server = PlacesServer((options.host, options.port), Handler)
    except OSError as error:
        raise UnavailableError(f"{options.host}:{options.port} cannot be listened on: {error.strerror}.") from error
    return server


class _Handler(BaseHTTPRequestHandler):
    """What is answered: the report for whoever reads it, and two questions for whoever knows only yes and no."""

    protocol_version = "HTTP/1.1"
    server_version = "cd4ml"
    sys_version = ""
    timeout = _PATIENCE
    analyses: Analyses
    door: Door

    def setup(self) -> None:
        """Begin the time in which the request must have been sent."""
        super().setup()
        self._deadline = threading.Timer(_PATIENCE, self._hang_up)
        self._deadline.daemon = True
        self._deadline.start()

    def finish(self) -> None:
        """End the time with the connection."""
        self._deadline.cancel()
        super().finish()

    def _hang_up(self) -> None:
        """End what is still being read."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self) -> None:
        """Answer Argo Rollouts: the report with any verdict is 200, and no verdict is 503."""
        self._deadline.cancel()
        path = urlsplit(self.path).path
        if path == "/health":
            return self._answer(HTTPStatus.OK, json.dumps({"status": "ok"}))
        if path != "/report":
            return self._unknown()
        verdict = self.analyses.latest(step_of(self.path))
        code = HTTPStatus.SERVICE_UNAVAILABLE if verdict.status in _NONE else HTTPStatus.OK
        return self._answer(code, verdict.document)

    def do_POST(self) -> None:
        """Answer Flagger: 200 is yes. It may go on if the analysis passed, and must go back if that failed."""
        wanted = _QUESTIONS.get(urlsplit(self.path).path)
        length = self.headers.get("Content-Length", "")
        digits = length.isascii() and length.isdigit() and len(length) <= len(str(_LONGEST_BODY))
        if not (digits and int(length) <= _LONGEST_BODY):
            return self._answer(HTTPStatus.BAD_REQUEST, _told("The request must say its length, up to 64 KiB."))
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        self._deadline.cancel()
        if wanted is None:
            return self._unknown()
        verdict = self.analyses.latest(step_of(self.path, body), ends=wanted if wanted is Status.PASSED else None)
        code = HTTPStatus.OK if verdict.status is wanted else HTTPStatus.CONFLICT
        return self._answer(HTTPStatus.SERVICE_UNAVAILABLE if verdict.status in _NONE else code, verdict.document)

    def _unknown(self) -> None:
        """Say what there is."""
        self._answer(HTTPStatus.NOT_FOUND, _told("There are GET /report, GET /health, POST /advance, POST /rollback."))

    def _answer(self, code: HTTPStatus, text: str) -> None:
        """Send JSON."""
        body = text.encode("utf-8")
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")  # a connection is for one request, and so has one deadline
        try:
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:  # who asked has not waited for the analysis
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Write a line for each request."""
        print(f"cd4ml {COMMAND}: {safe(format % args)}", file=self.door.stderr, flush=True)


# The statuses that are no verdict.
_NONE: Final = (Status.ERROR, Status.SKIPPED)
# What Flagger asks -> the status that is its yes.
_QUESTIONS: Final[Mapping[str, Status]] = {"/advance": Status.PASSED, "/rollback": Status.FAILED}


def _error(error: Cd4mlError) -> Verdict:
    """Return the verdict of an analysis that reached none."""
    report = error_report(ANALYSIS, error)
    document = {"stage": ANALYSIS, "status": str(report.status), "summary": report.summary}
    return Verdict(status=report.status, document=json.dumps(document))


def _told(message: str) -> str:
    """Return a message as JSON."""
    return json.dumps({"status": str(Status.ERROR), "summary": message})
