"""What is declared of the stages, and what follows from it."""

from __future__ import annotations

import pytest

from cd4ml.evidence.about import About
from cd4ml.stages import JUDGES, PIPELINE, REQUIRED, STAGES, evidence, needed

GATES = ("check-code", "validate-data", "check-split", "score-model", "evaluate-model", "audit-fairness")


@pytest.mark.parametrize("stage", STAGES)
def test_needs__come_earlier(stage: str) -> None:
    """A stage needs only stages of the pipeline that come before it, and one outside the pipeline needs none."""
    earlier = PIPELINE[: PIPELINE.index(stage)] if stage in PIPELINE else ()

    assert set(STAGES[stage].needs) <= set(earlier)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("check-code", ()),
        ("validate-data", ()),
        ("check-split", ()),
        ("score-model", ()),
        ("evaluate-model", ("score-model",)),
        ("audit-fairness", ("score-model",)),
        ("build-image", GATES),
        ("deploy-model", (*GATES, "build-image")),
    ],
)
def test_needed__by_stage(stage: str, expected: tuple[str, ...]) -> None:
    """A judge of predictions waits for them; a stage that acts waits for every gate of the pipeline before it."""
    assert set(expected) <= set(needed(stage)) and set(needed(stage)) - set(expected) <= set(PIPELINE) - set(GATES)


def test_required__is_evidence() -> None:
    """A deployment demands the gates that judge and the image, and demands no report that is evidence of nothing."""
    assert set(REQUIRED) >= {"check-code", "validate-data", "evaluate-model", "audit-fairness", "build-image"}
    assert "score-model" not in REQUIRED
    assert all(STAGES[stage].evidence for stage in REQUIRED)


def test_evidence__of_model_or_commit() -> None:
    """Verdicts on a model hold for its files; every other verdict holds for the commit."""
    of = evidence(STAGES)

    assert {stage for stage, about in of.items() if about is About.MODEL} == {*GATES[3:], "build-image"}
    assert JUDGES == {"evaluate-model", "audit-fairness"}
