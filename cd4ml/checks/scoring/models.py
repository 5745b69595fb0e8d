"""Which models are scored: two that differ, or a first release -> checks. Pure."""

from __future__ import annotations

from cd4ml.report import Check, ModelIdentity, Status


def different_model_check(candidate: ModelIdentity, production: ModelIdentity, *, allow_same: bool) -> Check:
    """Check that candidate and production are two models: a model never regresses against itself."""
    if candidate.sha256 != production.sha256:
        message = "Candidate and production are different models."
        return Check(id="different-model", status=Status.PASSED, message=message)
    message = f"Candidate and production are the same files ({candidate.sha256[:12]})."
    if allow_same:
        return Check(id="different-model", status=Status.PASSED, message=f"{message} The configuration allows it.")
    return Check(
        id="different-model",
        status=Status.FAILED,
        reason="same-model",
        message=message,
        advice="Check the alias of the candidate; set allow-same-model: true if this is meant.",
    )


def first_release_check(production: str | None) -> Check:
    """Record that nothing was compared with.

    Args:
        production: the model that was named and does not exist, None if none was named.
    """
    what = f"{production} does not exist" if production else "no production model is named"
    message = f"First release (bootstrap): {what}, so the candidate is not compared with one."
    return Check(id="bootstrap", status=Status.PASSED, message=message)


def called(name: str) -> str:
    """Return what sentences call a model."""
    return "production model" if name == "production" else name
