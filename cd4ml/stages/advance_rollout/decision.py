"""Which step a rollout takes: from what the analysis says, where the canary is, and what a person has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cd4ml.checks.delivery.images import decision_check
from cd4ml.checks.delivery.steps import (
    by_hand_check,
    early_check,
    earlier_data_check,
    report_check,
    stale_check,
    undecided_check,
    unknown_history_check,
)
from cd4ml.gitops.canary import Canary
from cd4ml.gitops.precedence import CLOCKS
from cd4ml.gitops.trailers import MODEL
from cd4ml.report import Check, Status
from cd4ml.stages.advance_rollout.analysis import Analysis

ALL: Final = 100  # percent


class Action(StrEnum):
    """What a run does, or why it does nothing."""

    ADVANCED = "advanced"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    READY = "ready"
    WAITS = "waits"
    HELD = "held"
    NONE = "none"


# Those that change the manifest.
_ACTS: Final = frozenset({Action.ADVANCED, Action.PROMOTED, Action.ROLLED_BACK})


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a rollout goes: weights in percent, ascending, and times in minutes."""

    steps: Sequence[int]
    minimum: float
    maximum: float
    age: float
    rollback_on_timeout: bool
    resume: bool


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be done.

    Attributes:
        checks: what it rests on; all of them passed if anything is done.
        weight: the canary's afterwards.
        why: one sentence.
        version: that the alias points at afterwards; empty if it is left alone.
    """

    action: Action
    checks: Sequence[Check]
    weight: int
    why: str
    version: str = ""

    @property
    def acts(self) -> bool:
        """Whether it changes the manifest."""
        return self.action in _ACTS


def decide(canary: Canary, analysis: Analysis, rules: Rules, now: float, *, complete: bool) -> Decision:
    """Decide on the next step.

    Args:
        now: in seconds since 1970.
        complete: whether all of the history is known.
    """
    refused = _refused(canary, analysis, rules, now, complete=complete)
    if refused:
        return _nothing(Action.HELD, canary, refused)
    about = report_check(analysis.model, model(canary))
    if about.status is not Status.PASSED:
        return _nothing(Action.HELD, canary, about)
    if analysis.status is Status.FAILED:
        why = f"The analysis failed at {canary.weight} %: the canary is rolled back. {analysis.summary}".strip()
        return Decision(action=Action.ROLLED_BACK, checks=[about, decision_check(why)], weight=0, why=why)
    if analysis.status is Status.INCONCLUSIVE:
        return _undecided(canary, analysis, rules, now, about)
    minutes = max(analysis.made - canary.since, 0) / 60
    if minutes < rules.minimum:
        return _nothing(Action.WAITS, canary, early_check(canary.weight, minutes, rules.minimum))
    if analysis.first is None or min(analysis.first, analysis.made) < canary.since:
        return _nothing(Action.WAITS, canary, earlier_data_check(canary.weight, canary.since))
    return _next(canary, rules, about)


def model(canary: Canary) -> str | None:
    """Return the digest of the model in a canary, as the commit says that deployed it."""
    said = canary.deployed.trailer(MODEL) if canary.deployed else None
    return said.removeprefix("sha256:") if said else None


def _refused(canary: Canary, analysis: Analysis, rules: Rules, now: float, *, complete: bool) -> Check | None:
    """Return why nothing may be done on this report, whatever it says."""
    if canary.by_hand and not rules.resume:
        return by_hand_check(canary.by_hand) if complete or canary.last else unknown_history_check()
    age = (now - analysis.made) / 60
    if age > rules.age:
        return stale_check(f"The report is {age:.0f} minutes old, and may be {rules.age:g} (report-minutes).")
    if analysis.made > now + CLOCKS:
        return stale_check("The report says that it was made in the future.")
    if canary.deployed and analysis.made < canary.deployed.time:
        return stale_check(f"The report was made before {canary.image} was deployed ({canary.deployed.sha[:12]}).")
    return None


def _undecided(canary: Canary, analysis: Analysis, rules: Rules, now: float, about: Check) -> Decision:
    """Decide on a canary on which the analysis cannot decide."""
    minutes = max(now - canary.since, 0) / 60
    check = undecided_check(canary.weight, minutes, rules.maximum, analysis.summary)
    if check.status is Status.INCONCLUSIVE:
        return _nothing(Action.WAITS, canary, check)
    if not rules.rollback_on_timeout:
        return _nothing(Action.HELD, canary, check)
    why = f"{check.message} The canary is rolled back (on-timeout)."
    return Decision(action=Action.ROLLED_BACK, checks=[about, decision_check(why)], weight=0, why=why)


def _next(canary: Canary, rules: Rules, about: Check) -> Decision:
    """Return the step after the one that passed."""
    later = [step for step in rules.steps if step > canary.weight]
    if not later and rules.steps[-1] < ALL:
        why = f"The canary passed its last step ({canary.weight} %): promote it with promote-model."
        return Decision(action=Action.READY, checks=[about, decision_check(why)], weight=canary.weight, why=why)
    weight = later[0] if later else ALL
    action = Action.PROMOTED if weight == ALL else Action.ADVANCED
    then = "becomes the stable image" if action is Action.PROMOTED else f"gets {weight} %"
    why = f"The analysis passed at {canary.weight} %: the canary {then}."
    return Decision(action=action, checks=[about, decision_check(why)], weight=weight, why=why)


def idle(why: str, *, version: str = "") -> Decision:
    """Return the decision that there is nothing to do."""
    return Decision(action=Action.NONE, checks=[decision_check(why)], weight=0, why=why, version=version)


def unsigned(canary: Canary | None, check: Check) -> Decision:
    """Return the decision that the report counts for nothing, whatever it says, by the check of its signature."""
    weight = canary.weight if canary else 0
    return Decision(action=Action.HELD, checks=[check], weight=weight, why=check.message)


def _nothing(action: Action, canary: Canary, check: Check) -> Decision:
    """Return the decision to change nothing."""
    return Decision(action=action, checks=[check], weight=canary.weight, why=check.message)
