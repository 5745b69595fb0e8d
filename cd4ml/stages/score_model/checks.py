"""What score-model checks: that models differ, were shut off and scored every row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cd4ml.report import Check, ModelIdentity, Status
from cd4ml.scoring.sandbox import PROTECTIONS, Isolation
from cd4ml.scoring.score import ScoringError
from cd4ml.stages.score_model.options import Options

if TYPE_CHECKING:
    import pandas as pd


def of_rows(
    name: str,
    what: str,
    n: int,
    predictions: pd.DataFrame | ScoringError,
    changed: bool,
    missing: Mapping[str, str],
) -> Check:
    """Return the check that a table was scored; `missing` are the protections that did not hold meanwhile."""
    shared: dict[str, Any] = {"id": f"{name}-scored:{what.replace(' ', '-')}", "n": n}
    if isinstance(predictions, Exception):
        message = f"The {called(name)} could not score the {n} {what}: {predictions}."
        advice = _advice(str(predictions))
        return Check(**shared, status=Status.ERROR, reason="not-scored", message=message, advice=advice)
    if changed:
        message = f"The files of the {called(name)} changed while it scored the {n} {what}."
        advice = "A model must not write into its own folder."
        return Check(**shared, status=Status.ERROR, reason="model-changed", message=message, advice=advice)
    message = f"The {called(name)} scored {n} {what} in its own environment."
    if missing:
        message += f" This machine could not shut it off wholly: {', '.join(missing)} (see the report's details)."
    return Check(**shared, status=Status.PASSED, message=message)


def of_isolation(name: str, isolation: Isolation) -> Iterable[Check]:
    """Yield a check for each protection that a model's process must have."""
    for protection, promise in PROTECTIONS.items():
        shared: dict[str, Any] = {"id": f"{name}-isolated:{protection}"}
        if protection in isolation.held:
            message = f"The {called(name)}: {promise} ({', '.join(isolation.held[protection])})."
            yield Check(**shared, status=Status.PASSED, message=message)
            continue
        why = isolation.missing.get(protection, "unknown")
        yield Check(
            **shared,
            status=Status.ERROR,
            reason="not-isolated",
            message=f"The {called(name)} was not run: nothing on this machine makes sure that {promise} ({why}).",
            advice="Run on Linux with user namespaces, or with Landlock and not as root; or set isolation: available.",
        )


def of_difference(candidate: ModelIdentity, production: ModelIdentity, options: Options) -> Check:
    """Check that candidate and production are two models: a model never regresses against itself."""
    same = candidate.sha256 == production.sha256
    if not same:
        message = "Candidate and production are different models."
        return Check(id="different-model", status=Status.PASSED, message=message)
    message = f"Candidate and production are the same files ({candidate.sha256[:12]})."
    if options.allow_same_model:
        return Check(id="different-model", status=Status.PASSED, message=f"{message} The configuration allows it.")
    return Check(
        id="different-model",
        status=Status.FAILED,
        reason="same-model",
        message=message,
        advice="Check the alias of the candidate; set allow-same-model: true if this is meant.",
    )


def of_first_release(options: Options) -> Check:
    """Record that nothing was compared with."""
    what = f"{options.production} does not exist" if options.production else "no production model is named"
    message = f"First release (bootstrap): {what}, so the candidate is not compared with one."
    return Check(id="bootstrap", status=Status.PASSED, message=message)


def summary(checks: Sequence[Check], rows: int, compared: bool) -> str:
    """Say in one sentence what was done."""
    blocking: Mapping[str, str] = {check.id: check.message for check in checks if check.status is not Status.PASSED}
    if blocking:
        return " ".join(blocking.values())
    with_production = " and the production model" if compared else "; there is no production model yet"
    return f"{rows} test rows were scored by the candidate{with_production}."


def called(name: str) -> str:
    """Return what sentences call a model."""
    return "production model" if name == "production" else name


def _advice(said: str) -> str:
    """Return what to do about a model that could not score."""
    lacking = re.search(r"No module named '([\w.]+)'", said)
    if lacking:
        module = lacking[1].partition(".")[0]
        return (
            f"The model needs the module {module}. If it is your own code, save it with the model "
            f"(log_model(…, code_paths=['src/{module}'])) and set allow-code: true; if it is a package, add it to "
            "pip_requirements."
        )
    return (
        "See whether the rows hold every column of the model's signature, in its types; if so, score them by "
        "hand in an environment made from the model's requirements.txt."
    )
