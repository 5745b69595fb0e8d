"""Looking at several things side by side, each for a limited time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.context import Context
from cd4ml.errors import UNAVAILABLE, Cd4mlError, ExitCode
from cd4ml.inputs.config import Config
from cd4ml.inputs.options import Options
from cd4ml.report import Status
from cd4ml.stages.preflight import Finding, findings

SECONDS: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one look found.

    Attributes:
        status: `passed`; `failed` for what has to be fixed; `inconclusive` for what may be no mistake; `skipped` for
            what could not or need not be looked at.
        code: how a run would end; None if it is not kept from a verdict.
    """

    topic: str
    status: Status
    message: str
    advice: str = ""
    code: ExitCode | None = None


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is looked at: this machine and, where there is one, the project in the working directory.

    Attributes:
        options: of each configured stage, as far as they can be read.
    """

    context: Context
    config: Config | None = None
    options: Mapping[str, Options | None]

    def brought_by_repository(self, program: str) -> bool:
        """Whether a program is a part of the repository, or of a folder that is none: whoever wrote that would run it.

        What git ignores, such as an environment made here, is not, unless files of the environment were committed.
        """
        named = Path(os.path.abspath(self.context.directory / program))
        checkout = self.context.checkout
        top = Path(os.path.realpath(checkout.top() or self.context.directory))
        for path in (named, named.parent.resolve() / named.name, named.resolve()):
            if path.is_relative_to(top) or path.is_relative_to(self.context.directory):
                environment = path.parent.parent
                places = [path, environment] if (environment / "pyvenv.cfg").exists() else [path]
                if not checkout.ignores(path) or any(checkout.files(str(place)) for place in places):
                    return True
        return False

    def option(self, name: str, default: Any = None) -> Any:
        """Return the first value that a configured stage gives to an option."""
        values = (getattr(options, name, None) for options in self.options.values() if options)
        return next((value for value in values if value), default)


Look = Callable[[Subject], Iterable[Result]]


@dataclass(frozen=True, kw_only=True)
class Examination:
    """Something to look at.

    Attributes:
        seconds: after which it counts as not answering.
    """

    topic: str
    look: Look
    seconds: float = SECONDS


def examined(examinations: Iterable[Examination], subject: Subject) -> list[Result]:
    """Carry out examinations side by side, and return what they found in their order."""
    started = [_Started(examination, subject) for examination in examinations]
    return [result for one in started for result in one.results()]


class _Started:
    """An examination that is going on; one that does not end is left behind, and ends with the process."""

    def __init__(self, examination: Examination, subject: Subject) -> None:
        self._examination = examination
        self._found: list[Result] = []
        self._thread = threading.Thread(target=self._run, args=(subject,), daemon=True)
        self._thread.start()

    def _run(self, subject: Subject) -> None:
        """Look, and take what could not be looked at for a finding."""
        try:
            for result in self._examination.look(subject):
                self._found.append(result)
        except Cd4mlError as error:
            self._found += [of_finding(self._examination.topic, finding) for finding in findings(error)]
        except (OSError, ImportError) as error:
            message = f"could not be looked at: {error}"
            self._found.append(Result(topic=self._examination.topic, status=Status.SKIPPED, message=message))

    def results(self) -> list[Result]:
        """Return what was found until the time was over."""
        self._thread.join(self._examination.seconds)
        found = list(self._found)
        if not self._thread.is_alive():
            return found
        message = f"did not answer in {self._examination.seconds:.0f} s"
        late = Result(topic=self._examination.topic, status=Status.FAILED, message=message, code=UNAVAILABLE)
        return [*found, late]


def of_finding(topic: str, finding: Finding) -> Result:
    """Return a stage's finding as a result."""
    status = Status.FAILED if finding.code else Status.INCONCLUSIVE
    return Result(topic=topic, status=status, message=finding.message, advice=finding.advice, code=finding.code)


def warned(topic: str, message: str, advice: str = "") -> Result:
    """Return what may be no mistake."""
    return Result(topic=topic, status=Status.INCONCLUSIVE, message=message, advice=advice)


def fine(topic: str, message: str) -> Result:
    """Return that all is well."""
    return Result(topic=topic, status=Status.PASSED, message=message)


def not_started(topic: str, program: str) -> Result:
    """Return that a program was not started, because the repository brought it."""
    return skipped(topic, f"{program} was not started: it lies in the repository; the stage will start it")


def skipped(topic: str, message: str) -> Result:
    """Return what need not be looked at."""
    return Result(topic=topic, status=Status.SKIPPED, message=message)
