"""What a run of a stage leaves: its report, the step's outputs, summary and annotations, and what is printed."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cd4ml.commands.door import Door, Stream
from cd4ml.commands.look import look_of
from cd4ml.commands.signing import Signing, forget_bundle, signed
from cd4ml.errors import INTERNAL, PASSED, Cd4mlError, ExitCode, OptionsError, UnavailableError
from cd4ml.evidence.basis import Basis, basis, unmoved
from cd4ml.evidence.bundles import bundle_path
from cd4ml.git import Checkout
from cd4ml.github import runtime
from cd4ml.inputs.options import Options as StageOptions
from cd4ml.inputs.values import as_values
from cd4ml.inputs.vocabulary import RunOptions
from cd4ml.render.inert import inert
from cd4ml.render.markdown import LARGEST, markdown
from cd4ml.render.terminal import facts, found, passed, verdict
from cd4ml.report import Published, Report, Status, error_report, v1
from cd4ml.wording import safe
from cd4ml.writing import is_report, remove, result, unwritable, write_atomically


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run of a stage ended.

    Attributes:
        warned: whether a verdict that is not `passed` was let through, because the options say that it only warns.
        told: in numbers, what the verdict rests on.
    """

    status: Status
    code: int
    warned: bool
    told: Sequence[str]
    outputs: Mapping[str, str]


@dataclass(kw_only=True)
class Results:
    """What is known of a run of a stage so far: enough to write its report whatever happens next.

    Attributes:
        grouped: whether what is said is folded away in the platform's log, but for the verdict and what blocks.
        nowhere: whether even the default place of the report is none that may be written.
        known: what the stage last said while it went on.
        began: what was checked out before the stage ran, or when its first report was written if it never did.
        signing: who signs the report.
        bundle: the signed statement about the report, once there is one.
    """

    name: str
    door: Door
    started: float
    report_path: Path | None = None
    options: StageOptions | None = None
    root: Path | None = None
    json: bool = False
    verbose: bool = False
    quiet: bool = False
    grouped: bool = False
    nowhere: bool = False
    plan: Sequence[str] = ()
    known: Report | None = None
    began: Basis | None = None
    signing: Signing = field(default_factory=Signing)
    bundle: Path | None = None

    @property
    def path(self) -> Path:
        """Absolute path of the report."""
        path = self.report_path or Path("reports") / f"{self.name}.json"
        return Path.cwd() / path

    def __post_init__(self) -> None:
        """Open the group."""
        if self.grouped:
            print(f"::group::{self.name}", file=self.door.stdout)
            self.door.stdout.flush()

    def shown(self, options: RunOptions) -> None:
        """Take how results are to be shown.

        Raises:
            OptionsError: it is said in two ways.
        """
        self.json, self.verbose, self.quiet = options.json, options.verbose, options.quiet
        check_shown(options.verbose, options.quiet)

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
        forget_bundle(self.report_path)
        # Until a verdict is reached the outputs say `error`: a run that is killed must not look like one that passed.
        write_verdict(self.door, Status.ERROR, str(self.path), {})

    def save(self, report: Report) -> tuple[Published, dict[str, Any]]:
        """Write the JSON report in one move, so that no reader sees half of it; a plan that was made stays in it."""
        finished = time.time()
        self.plan = report.plan or self.plan
        report = replace(report, plan=self.plan)
        published = Published(
            report=report,
            source=self._basis.source,
            options=as_values(self.options) if self.options else {},
            run={
                "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started)),
                "seconds": round(finished - self.started, 3),
                "directory": str(Path.cwd()),
                "platform": runtime.told(self.door.environ),
                **self.signing.told,
            },
        )
        document = self.door.redactor.everywhere(v1.document(published))
        if not self.nowhere:
            write_atomically(self.path, v1.text(document) + "\n")
        return published, document

    def decided(self, report: Report) -> None:
        """Take the stage's verdict, which holds if the commit is still the one that it is about.

        Raises:
            MovedError: it is not; what was decided stays in the report.
        """
        self.known = report
        self.began = unmoved(self._basis, self._checkout)

    def keep(self, report: Report) -> None:
        """Write what the stage knows so far; however the run ends, that stays in its report."""
        self.known = report
        self.save(report)

    def broken_off(self, error: Cd4mlError) -> Report:
        """Return the report of a run that ended without a verdict: what is known, and the error instead of one."""
        report = error_report(self.name, error)
        if self.known is None:
            return report
        decided = [check for check in self.known.checks if check.status is not Status.ERROR]
        return replace(self.known, checks=(*decided, *report.checks), summary=report.summary)

    def finish(self, report: Report, code: ExitCode, *, show_json: bool) -> Ended:
        """Write report, summary and annotations, print the result, and set the outputs last.

        Raises:
            UnsignedError: the report is written, and could not be signed.
            UnavailableError: one of them cannot be written; the report, which nobody could then trust, is removed.
        """
        report = self.door.redactor.everywhere(report)
        warned = code is PASSED and report.status in (Status.FAILED, Status.INCONCLUSIVE)
        made, published = self.save(report)
        self.bundle = signed(made, v1.text(published) + "\n", self.path, self.signing, self._basis)
        try:
            self._platform_texts(report, warned=warned)
            self._print(report, published, show_json=show_json, warned=warned)
            write_verdict(self.door, report.status, str(self.path), report.outputs, warned=warned)
        except UnavailableError:
            self.path.unlink(missing_ok=True)
            bundle_path(self.path).unlink(missing_ok=True)
            self._end_group()
            raise
        return Ended(
            status=report.status,
            code=code.code,
            warned=warned,
            told=facts(report),
            outputs=report.outputs,
        )

    def defect(self, error: Exception) -> Ended:
        """Report a defect of cd4ml itself."""
        print(_safe_traceback(error), file=self.door.stderr)
        told = Cd4mlError(
            f"Internal error: {type(error).__name__}: {error}", advice="This is a defect in cd4ml: please report it."
        )
        return self.finish(self.broken_off(told), INTERNAL, show_json=self.json)

    def _print(self, report: Report, published: Mapping[str, Any], *, show_json: bool, warned: bool) -> None:
        """Print the result: the JSON alone on standard output where it is asked for."""
        if show_json:
            print(v1.text(published), file=self.door.stdout)
            self.door.stdout.flush()
        to = self.door.stderr if show_json else self.door.stdout
        look = look_of(to, self.door.environ, verbose=self.verbose or self.door.environ.get("RUNNER_DEBUG") == "1")
        seconds = time.time() - self.started
        head = verdict(report.stage, report.status, facts(report), seconds, look=look, warned=warned)
        reason, rest = found(report, look=look), passed(report, look=look)
        place = look.spelled(f"  report: {safe(self._place())}\n{self.signing.said(self.bundle)}")
        if self.quiet:
            self._said(head, to)
            if report.status is Status.ERROR:
                self._said(reason, self.door.stderr)
        elif self.grouped:
            folded = rest if report.status is not Status.PASSED else reason + rest
            self._said(folded, to)
            self._said(place, self.door.stderr)
            self._end_group()
            self._said(head + (reason if report.status is not Status.PASSED else ""), to)
        else:
            self._said(head + reason + rest, to)
            self._said(place, self.door.stderr)

    def _place(self) -> str:
        """Return where the report is, as short as it can be said."""
        here = Path.cwd()
        return str(self.path.relative_to(here) if self.path.is_relative_to(here) else self.path)

    def _said(self, text: str, to: Stream) -> None:
        """Print lines; what is printed next, elsewhere, comes behind them."""
        print(text, file=to, end="", flush=True)

    @property
    def _basis(self) -> Basis:
        """What the report is about."""
        if self.began is None:
            self.began = basis(self._checkout)
        return self.began

    @property
    def _checkout(self) -> Checkout:
        """The repository that the run is about."""
        return Checkout(directory=Path.cwd(), environ=self.door.environ)

    def _end_group(self) -> None:
        """Close the group, if there is one."""
        if self.grouped:
            self.grouped = False
            self._said("::endgroup::\n", self.door.stdout)

    def _platform_texts(self, report: Report, *, warned: bool) -> None:
        """Write step summary and annotations, if this run has a platform."""
        summary = self.door.file("GITHUB_STEP_SUMMARY")
        if summary:
            with unwritable(summary):
                room = runtime.summary_room(summary, LARGEST)
                runtime.append_summary(summary, markdown(report, largest=room, warned=warned))
                if said := self.signing.said(self.bundle).strip():
                    runtime.append_summary(summary, f"\n{inert(said)}\n")
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


def check_shown(verbose: bool, quiet: bool) -> None:
    """Refuse to tell everything and next to nothing at once.

    Raises:
        OptionsError: both are asked for.
    """
    if verbose and quiet:
        raise OptionsError("verbose and quiet exclude each other", advice="Set one of them.")


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
