"""What a run of a stage leaves: its report, the step's outputs, summary and annotations, and what is printed."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cd4ml.commands.door import Door
from cd4ml.errors import INTERNAL, PASSED, Cd4mlError, ExitCode, UnavailableError
from cd4ml.git import Checkout
from cd4ml.github import runtime
from cd4ml.inputs.options import Options as StageOptions
from cd4ml.inputs.values import as_values
from cd4ml.render.markdown import LARGEST, markdown
from cd4ml.render.numbers import duration
from cd4ml.render.terminal import terminal
from cd4ml.report import Published, Report, Source, Status, error_report, v1
from cd4ml.wording import safe
from cd4ml.writing import is_report, remove, result, unwritable, write_atomically


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run of a stage ended.

    Attributes:
        warned: whether a verdict that is not `passed` was let through, because the options say that it only warns.
    """

    status: Status
    code: int
    warned: bool
    summary: str
    outputs: Mapping[str, str]


@dataclass(kw_only=True)
class Results:
    """What is known of a run of a stage so far: enough to write its report whatever happens next.

    Attributes:
        nowhere: whether even the default place of the report is none that may be written.
    """

    name: str
    door: Door
    started: float
    report_path: Path | None = None
    options: StageOptions | None = None
    root: Path | None = None
    json: bool = False
    nowhere: bool = False
    plan: Sequence[str] = ()

    @property
    def path(self) -> Path:
        """Absolute path of the report."""
        path = self.report_path or Path("reports") / f"{self.name}.json"
        return Path.cwd() / path

    def place(self, report: str | None) -> None:
        """Take the place of the report; one of an earlier run that is there goes first.

        Raises:
            OptionsError: the report may not be there. What is known so far goes to the default place, if it may.
        """
        self.report_path = None
        named = report or f"reports/{self.name}.json"
        self.nowhere = not report
        self.report_path = result("report", named, self.door.environ, endings=(".json",), ours=is_report)
        self.nowhere = False
        remove(self.path)
        # Until a verdict is reached the outputs say `error`: a run that is killed must not look like one that passed.
        write_verdict(self.door, Status.ERROR, str(self.path), {})

    def save(self, report: Report) -> dict[str, Any]:
        """Write the JSON report in one move, so that no reader sees half of it; a plan that was made stays in it."""
        finished = time.time()
        self.plan = report.plan or self.plan
        report = replace(report, plan=self.plan)
        checkout = Checkout(directory=Path.cwd(), environ=self.door.environ)
        published = v1.document(
            Published(
                report=report,
                source=Source(git_sha=checkout.head(), modified=checkout.modified()),
                options=as_values(self.options) if self.options else {},
                run={
                    "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started)),
                    "seconds": round(finished - self.started, 3),
                    "directory": str(Path.cwd()),
                    "platform": _platform(self.door.environ),
                },
            )
        )
        published = self.door.redactor.everywhere(published)
        if not self.nowhere:
            write_atomically(self.path, v1.text(published) + "\n")
        return published

    def finish(self, report: Report, code: ExitCode, *, show_json: bool) -> Ended:
        """Write report, summary and annotations, print the result, and set the outputs last.

        Raises:
            UnavailableError: one of them cannot be written; the report, which nobody could then trust, is removed.
        """
        report = self.door.redactor.everywhere(report)
        warned = code is PASSED and report.status in (Status.FAILED, Status.INCONCLUSIVE)
        published = self.save(report)
        try:
            self._platform_texts(report, warned=warned)
            self._print(report, published, show_json=show_json, warned=warned)
            write_verdict(self.door, report.status, str(self.path), report.outputs, warned=warned)
        except UnavailableError:
            self.path.unlink(missing_ok=True)
            raise
        return Ended(
            status=report.status, code=code.code, warned=warned, summary=report.summary, outputs=report.outputs
        )

    def defect(self, error: Exception) -> Ended:
        """Report a defect of cd4ml itself."""
        print(_safe_traceback(error), file=self.door.stderr)
        told = Cd4mlError(
            f"Internal error: {type(error).__name__}: {error}", advice="This is a defect in cd4ml: please report it."
        )
        return self.finish(error_report(self.name, told), INTERNAL, show_json=self.json)

    def _print(self, report: Report, published: Mapping[str, Any], *, show_json: bool, warned: bool) -> None:
        """Print the result: the JSON alone on standard output where it is asked for."""
        if show_json:
            print(v1.text(published), file=self.door.stdout)
        shown = terminal(report, warned=warned)
        print(shown, file=self.door.stderr if show_json else self.door.stdout, end="")
        print(f"  report: {safe(str(self.path))} ({duration(time.time() - self.started)})", file=self.door.stderr)
        self.door.stdout.flush()

    def _platform_texts(self, report: Report, *, warned: bool) -> None:
        """Write step summary and annotations, if this run has a platform."""
        summary = self.door.file("GITHUB_STEP_SUMMARY")
        if summary:
            with unwritable(summary):
                room = runtime.summary_room(summary, LARGEST)
                runtime.append_summary(summary, markdown(report, largest=room, warned=warned))
        if self.door.environ.get("GITHUB_ACTIONS") == "true":
            prefix = _prefix(self.root or Path.cwd(), Path.cwd())
            title, written = f"cd4ml {self.name}", self.door.annotations
            for line in runtime.commands(report.checks, prefix=prefix, title=title, written=written, warned=warned):
                # Standard error is read for commands as well, and leaves `--json` alone.
                print(line, file=self.door.stderr)


def write_verdict(door: Door, status: Status, report: str, outputs: Mapping[str, str], *, warned: bool = False) -> None:
    """Set the step's outputs, if there is a step."""
    file = door.file("GITHUB_OUTPUT")
    if file:
        verdict = {"status": str(status), "passed": _word(status is Status.PASSED), "warned": _word(warned)}
        with unwritable(file):
            runtime.write_outputs(file, {**verdict, "report": report, **outputs})


def _word(truth: bool) -> str:
    """Return the platform's word for a truth value."""
    return "true" if truth else "false"


def _safe_traceback(error: BaseException) -> str:
    """Return a traceback whose texts cannot become workflow commands."""
    return "\n".join(safe(line) for line in "".join(traceback.format_exception(error)).splitlines())


def _prefix(root: Path, directory: Path) -> str:
    """Return the working directory as annotations need it: relative to the repository's root."""
    try:
        relative = directory.relative_to(root).as_posix()
    except ValueError:
        return ""
    return "" if relative == "." else f"{relative}/"


def _platform(environ: Mapping[str, str]) -> dict[str, str]:
    """Return where the run took place, from the platform's own variables."""
    names = (
        "GITHUB_REPOSITORY",
        "GITHUB_RUN_ID",
        "GITHUB_RUN_ATTEMPT",
        "GITHUB_WORKFLOW",
        "GITHUB_JOB",
        "GITHUB_ACTOR",
    )
    return {name.removeprefix("GITHUB_").lower(): environ[name] for name in names if environ.get(name)}
