"""Whether models were shut off and scored every row -> checks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cd4ml.checks.scoring.models import called
from cd4ml.report import Check, Status


def scored_check(
    name: str, what: str, n: int, *, problem: str | None, changed: bool, missing: Mapping[str, str]
) -> Check:
    """Return the check that a table was scored.

    Args:
        name: `candidate` or `production`.
        what: what its rows are called.
        problem: why it was not scored, None if it was.
        changed: whether the model's files are others than before.
        missing: the protections that did not hold meanwhile, with the reason.
    """
    shared: dict[str, Any] = {"id": f"{name}-scored:{what.replace(' ', '-')}", "n": n}
    if problem is not None:
        message = f"The {called(name)} could not score the {n:,} {what}: {problem}."
        return Check(**shared, status=Status.ERROR, reason="not-scored", message=message, advice=_advice(problem))
    if changed:
        message = f"The files of the {called(name)} changed while it scored the {n:,} {what}."
        advice = "A model must not write into its own folder."
        return Check(**shared, status=Status.ERROR, reason="model-changed", message=message, advice=advice)
    message = f"The {called(name)} scored {n:,} {what} in its own environment."
    if missing:
        message += f" This machine could not shut it off wholly: {', '.join(missing)} (see the report's details)."
    return Check(**shared, status=Status.PASSED, message=message)


def isolation_checks(
    name: str, promises: Mapping[str, str], held: Mapping[str, Sequence[str]], missing: Mapping[str, str]
) -> Iterator[Check]:
    """Yield a check for each protection that a model's process must have.

    Args:
        name: `candidate` or `production`.
        promises: what each protection makes sure of, in words.
        held, missing: by which mechanisms it holds, or why it does not.
    """
    for protection, promise in promises.items():
        shared: dict[str, Any] = {"id": f"{name}-isolated:{protection}"}
        if protection in held:
            message = f"The {called(name)}: {promise} ({', '.join(held[protection])})."
            yield Check(**shared, status=Status.PASSED, message=message)
            continue
        why = missing.get(protection, "unknown")
        yield Check(
            **shared,
            status=Status.ERROR,
            reason="not-isolated",
            message=f"The {called(name)} was not run: nothing on this machine makes sure that {promise} ({why}).",
            advice="Run on Linux with user namespaces, or with Landlock and not as root; or set isolation: available.",
        )


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
