"""One run against one manifest: what it finds there, what it decides, and the text and the message of its commit."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cd4ml.errors import OptionsError
from cd4ml.gitops.canary import Canary, canary, led_to
from cd4ml.gitops.history import History
from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest
from cd4ml.gitops.repository import Clone
from cd4ml.gitops.trailers import (
    ADVANCED,
    ANALYSIS,
    BESIDE,
    CANARY_WEIGHT,
    PROMOTED,
    ROLLED_BACK,
    VERSION,
    message,
    replaced,
)
from cd4ml.report import Check, ModelIdentity, Status
from cd4ml.stages.advance_rollout.analysis import Analysis
from cd4ml.stages.advance_rollout.decision import Action, Rules, decide, idle, unsigned
from cd4ml.stages.advance_rollout.promotion import Promotion


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a repository holds: the manifest, what the suite did to it, and the canary in it, if there is one."""

    manifest: Manifest
    history: History
    canary: Canary | None


def situation(repository: Clone, path: str, text: str, part: str | None) -> Situation:
    """Return what a text of the manifest and the history say.

    Raises:
        OptionsError: a controller moves the canary by steps of its own, or nothing splits the traffic by weight.
    """
    manifest = Manifest(text, part=part)
    served = manifest.served
    to = served.controller or (f"to the steps of {served.engine}" if served.engine else "")
    if to:
        raise OptionsError(
            f"{path} hands every new image over {to}: no weight that is written here moves the canary",
            advice="Let the controller's analysis ask for the verdict; docs/rollouts.md shows how.",
        )
    history = repository.history(path, served.others)
    found = canary(manifest, history)
    if found and served.traffic.share is not None:
        raise OptionsError(
            f"{path}: nothing splits the traffic by weight; the canary gets its share of replicas",
            advice="Add a route with weights, or promote the canary with promote-model.",
        )
    return Situation(manifest=manifest, history=history, canary=found)


class Rollout:
    """A run: what it goes by, and what it decided last, which may change as others push.

    Attributes:
        promotion: what was found out about the canary as the next production version, if it is to be that.
        decision: the last one.
    """

    def __init__(self, repository: Clone, path: str, part: str | None, analysis: Analysis, rules: Rules) -> None:
        """Decide nothing yet."""
        self._repository, self._path, self._part = repository, path, part
        self._analysis, self._rules = analysis, rules
        self.promotion: Promotion | None = None
        self.decision = idle("Nothing was decided.")

    @property
    def checks(self) -> list[Check]:
        """What the decision rests on."""
        promoted = self.promotion.checks if self.promotion and self.decision.action is Action.PROMOTED else ()
        return [*self.decision.checks, *promoted, *self._signature]

    @property
    def _signature(self) -> list[Check]:
        """What is said of the report's signature, unless the decision rests on it already."""
        return [] if self._analysis.signed in self.decision.checks else [self._analysis.signed]

    @property
    def identity(self) -> ModelIdentity | None:
        """The model in the registry that becomes production."""
        return self.promotion.identity if self.promotion else None

    @property
    def version(self) -> str:
        """The version that the alias points at afterwards; empty if it is left alone."""
        promoted = self.promotion and self.decision.action is Action.PROMOTED
        return self.promotion.version if self.promotion and promoted else self.decision.version

    @property
    def refusal(self) -> str:
        """Why the canary cannot become production, though it is due; empty if nothing stands in the way."""
        found = [check.message for check in self.checks if check.status is not Status.PASSED]
        return f"Nothing was changed. {' '.join(found)}" if self.decision.acts and found else ""

    def decide(self, text: str) -> Situation:
        """Decide on what is there now, and return what that is."""
        found = situation(self._repository, self._path, text, self._part)
        earlier = led_to(found.history, self._analysis.digest)
        if self._analysis.signed.status is not Status.PASSED:
            self.decision = unsigned(found.canary, self._analysis.signed)
        elif earlier:
            version = earlier.trailer(VERSION) or ""
            self.decision = idle(f"This report led to {earlier.sha[:12]} already.", version=version)
        elif found.canary is None:
            self.decision = idle("No canary runs: there is nothing to advance.")
        else:
            complete = found.history.complete
            self.decision = decide(found.canary, self._analysis, self._rules, time.time(), complete=complete)
        return found

    def change(self, text: str) -> str:
        """Return the manifest's text after the step.

        Raises:
            OptionsError: the canary would be promoted now, and nothing was found out about it.
        """
        found = self.decide(text)
        if not self.decision.acts or found.canary is None:
            return text
        new = image(found.canary.image)
        if self.decision.action is Action.ROLLED_BACK:
            return found.manifest.without_canary()
        if self.decision.action is Action.ADVANCED:
            return found.manifest.with_canary(new, self.decision.weight)
        if self.promotion is None or self.promotion.image != found.canary.image:
            raise OptionsError(f"{self._path} was changed by someone else during this run", advice="Run again.")
        found.manifest.confirm(new.digest)
        return found.manifest.promoted(new)

    def message(self, before: str, after: str) -> str:
        """Return the commit's message; later runs read its trailers."""
        manifest = Manifest(before, part=self._part)
        canary = f"{manifest.repository}@{manifest.state.canary}"
        title, trailers = self._said(canary, manifest, after)
        return message(f"{title}\n\n{self.decision.why}", {**trailers, ANALYSIS: self._analysis.digest})

    def _said(self, canary: str, manifest: Manifest, after: str) -> tuple[str, dict[str, str]]:
        """Return the first line of the commit's message, and its trailers."""
        short, decision = canary[-64:][:12], self.decision
        if decision.action is Action.ADVANCED:
            weight = str(decision.weight)
            trailers = {ADVANCED: canary, CANARY_WEIGHT: weight, BESIDE: manifest.stable or ""}
            return f"Advance canary {short} to {weight} %", trailers
        if decision.action is Action.ROLLED_BACK:
            return f"Roll back canary {short}", {ROLLED_BACK: canary}
        versions = self.promotion.trailers if self.promotion else {}
        return f"Promote {short}", {PROMOTED: canary, **versions, **replaced(manifest, after)}
