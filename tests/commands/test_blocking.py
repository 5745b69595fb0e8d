"""What a stage that did not pass keeps from running, for every configuration and every way in which stages end."""

from __future__ import annotations

from itertools import product

import pytest

from cd4ml.commands.pipeline import _blockers, _Outcome
from cd4ml.render.look import NOT_RUN
from cd4ml.report import Status
from cd4ml.stages import PIPELINE

ACTS = ("build-image", "deploy-model")
JUDGES = ("evaluate-model", "audit-fairness")
ENDS = (Status.SKIPPED, Status.PASSED, Status.FAILED, Status.INCONCLUSIVE, Status.ERROR, NOT_RUN)


@pytest.mark.parametrize("stage", PIPELINE)
def test_blocked__by_whatever_did_not_pass(stage: str) -> None:
    """Judges wait for scores and acts for everything before them; what is not configured keeps nothing from running."""
    before = PIPELINE[: PIPELINE.index(stage)]
    for ends in product(ENDS, repeat=len(before)):
        bad = {name for name, status in zip(before, ends, strict=True) if status not in (Status.PASSED, Status.SKIPPED)}
        expected = bool(bad) if stage in ACTS else stage in JUDGES and "score-model" in bad
        outcomes = [_Outcome(stage=name, status=status) for name, status in zip(before, ends, strict=True)]

        assert bool(_blockers(stage, outcomes)) == expected, (stage, ends)
        assert set(_blockers(stage, outcomes)) <= bad
