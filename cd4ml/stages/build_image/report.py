"""What the steps found, put together: the report can be made of it at any moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeVar

from cd4ml.checks.image.build import unfinished_check
from cd4ml.report import Check, InputDigest, ModelIdentity, Report, Status

STAGE: Final = "build-image"


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one step says in the report."""

    checks: Sequence[Check] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[InputDigest] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)


class Found(Protocol):
    """What a step hands on: a frozen value that knows its part of the report."""

    @property
    def part(self) -> Part:
        """What the report says of it."""


FoundT = TypeVar("FoundT", bound=Found)


class Record:
    """What is known so far. Steps do not see it: each takes what it needs from the values of those before it."""

    def __init__(self, *, candidate: ModelIdentity, plan: Sequence[str]) -> None:
        self._candidate = candidate
        self._plan = plan
        self._parts: list[Part] = []

    def add(self, found: FoundT) -> FoundT:
        """Take a step's part down, and return what it found."""
        self._parts.append(found.part)
        return found

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check so far."""
        return tuple(check for part in self._parts for check in part.checks)

    @property
    def inputs(self) -> tuple[InputDigest, ...]:
        """Every table that was read so far."""
        return tuple(digest for part in self._parts for digest in part.inputs)

    @property
    def good(self) -> bool:
        """Whether every check so far has passed, and there was one."""
        return bool(self.checks) and all(check.status is Status.PASSED for check in self.checks)

    def report(self, summary: str) -> Report:
        """Return the report of what is known."""
        outputs = {"image": "", "digest": ""}
        return Report(
            stage=STAGE,
            checks=self.checks,
            summary=summary,
            details={key: value for part in self._parts for key, value in part.details.items()},
            outputs=outputs | {key: value for part in self._parts for key, value in part.outputs.items()},
            inputs=self.inputs,
            candidate=self._candidate,
            plan=self._plan,
        )

    def unfinished(self) -> Report:
        """Return what is known as a report that lets nothing through."""
        check = unfinished_check()
        return replace(self.report(check.message), checks=(*self.checks, check))
