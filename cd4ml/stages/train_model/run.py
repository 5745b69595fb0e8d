"""Train a model with the selected parameters, and register it as challenger with its lineage."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cd4ml.checks.data.remarks import remarked
from cd4ml.checks.image.model_code import model_code_check
from cd4ml.checks.search.due import served_check
from cd4ml.checks.search.registered import registered_check, trained_check
from cd4ml.context import Context
from cd4ml.errors import OptionsError
from cd4ml.model_files import code_of as code_in
from cd4ml.registry import fetch, reference_of, set_alias, tags
from cd4ml.registry.described import Version, every_version, served
from cd4ml.registry.registering import register
from cd4ml.report import Check, InputDigest, ModelIdentity, Report, Status, headline
from cd4ml.scoring.training import run as training
from cd4ml.scoring.training.run import Bench, TrainingError
from cd4ml.search import plan, selected
from cd4ml.search.plan import Plan
from cd4ml.search.selected import Selection
from cd4ml.stages.train_model.options import Options
from cd4ml.stages.training import code_of, function_problems, rows_of

STAGE: Final = "train-model"


def run(options: Options, context: Context) -> Report:
    """Train in the sandbox; register what came of it only if it is a model that may be loaded.

    A version that an earlier run made of the same search is found, and nothing is trained twice.

    Raises:
        OptionsError: the selection is of another plan, or data or code changed since.
        UnavailableError: a file, the training environment or the registry cannot be reached.
    """
    _check(options)
    planned = plan.read(Path(options.search_plan))
    selection = selected.read(Path(options.selected), planned.sha256)
    context.progress("Asking the registry for earlier retrainings")
    versions = every_version(options.registered_model, tracking_uri=options.tracking_uri, environ=context.environ)
    earlier = next((one for one in versions if one.tags.get(tags.SEARCH) == f"sha256:{selection.search}"), None)
    if earlier:
        _point(options, earlier, context)
        return _report([_registered(options, earlier.version, made=False)], selection, options, version=earlier.version)
    checks = [served_check(planned.request, served(versions))]
    if checks[0].status is not Status.PASSED:
        return _report(checks, selection, options)
    rows, digest = rows_of(planned, options.reading)
    made = Made(planned=planned, selection=selection, digest=digest)
    with training.bench(code_of(planned, options.train), rows, context) as bench:
        context.progress(f"Training with {len(rows):,} rows")
        try:
            return _trained(options, context, made, bench)
        except TrainingError as error:
            return _report([trained_check(str(error), late=error.late)], selection, options, digest=digest)


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a model is made of."""

    planned: Plan
    selection: Selection
    digest: InputDigest


def _trained(options: Options, context: Context, made: Made, bench: Bench) -> Report:
    """Train, look at the model without loading it, and register it."""
    seconds, selection = options.training_seconds, made.selection
    with training.trained(bench, selection.parameters, seed=made.planned.seed, seconds=seconds) as (left, _):
        folder, identity = fetch(str(left), left, tracking_uri=None, environ=context.environ)
        checks = [trained_check(None), model_code_check(code_in(folder), allowed=options.allow_code)]
        if any(check.status is not Status.PASSED for check in checks):
            return _report(checks, selection, options, digest=made.digest)
        context.save(Report(stage=STAGE, checks=(), plan=_steps(options)))
        version = register(
            options.registered_model,
            folder,
            alias=options.challenger_alias,
            tags=_lineage(made.planned, selection, identity, context),
            parameters=selection.parameters,
            metrics={"cross-validated": selection.cross_validated, "nested": selection.nested},
            tracking_uri=options.tracking_uri,
            environ=context.environ,
        )
    checks.append(_registered(options, version, made=True))
    return _report(checks, selection, options, digest=made.digest, identity=identity, version=version)


def _point(options: Options, earlier: Version, context: Context) -> None:
    """Point the alias at a version, if it is not there."""
    name, alias = options.registered_model, options.challenger_alias
    if alias not in earlier.aliases:
        set_alias(name, alias, earlier.version, tracking_uri=options.tracking_uri, environ=context.environ)


def _registered(options: Options, version: str, *, made: bool) -> Check:
    """Return the check of the version that the alias points at."""
    return registered_check(options.registered_model, version, options.challenger_alias, made=made)


def _check(options: Options) -> None:
    """Refuse options that cannot be meant."""
    problems = function_problems("train", options.train)
    if not 0 < options.training_seconds < math.inf:
        problems.append(f"training-seconds must be above 0, got {options.training_seconds:g}")
    if problems:
        raise OptionsError(problems)
    reference_of(f"models:/{options.registered_model}@{options.challenger_alias}")


def _lineage(planned: Plan, selection: Selection, identity: ModelIdentity, context: Context) -> dict[str, str]:
    """Return where the model comes from, as its version's tags."""
    found = {
        tags.MODEL: f"sha256:{identity.sha256}",
        tags.COMMIT: context.basis.source.git_sha or "",
        tags.TRAIN_DATA: planned.train_data,
        tags.TRAIN_DATA_DIGEST: f"sha256:{planned.train_sha256}",
        tags.TRAINING_CODE: f"sha256:{planned.code_sha256}",
        tags.TRAINING_LOCK: f"sha256:{planned.lock_sha256}",
        tags.PARAMETERS: json.dumps(dict(selection.parameters), sort_keys=True),
        tags.PLAN: f"sha256:{selection.plan}",
        tags.SEARCH: f"sha256:{selection.search}",
        tags.REQUEST: str(planned.request or ""),
        tags.TRAINED: datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return {key: value for key, value in found.items() if value}


def _steps(options: Options) -> list[str]:
    """Return what is about to be done."""
    name, alias = options.registered_model, options.challenger_alias
    return [f"Register a new version of {name}, with its lineage as tags.", f"Point the alias {alias} at it."]


def _report(
    checks: list[Check],
    selection: Selection,
    options: Options,
    *,
    digest: InputDigest | None = None,
    identity: ModelIdentity | None = None,
    version: str = "",
) -> Report:
    """Return what was done."""
    uri = f"models:/{options.registered_model}/{version}" if version else ""
    report = Report(
        stage=STAGE,
        checks=checks,
        summary=headline(checks) or f"{uri} is {options.challenger_alias}.",
        metrics={"cross-validated": selection.cross_validated, "nested": selection.nested},
        details={"parameters": dict(selection.parameters), "search": selection.search, "plan": selection.plan},
        inputs=(digest,) if digest else (),
        candidate=identity,
        plan=_steps(options) if version else (),
        outputs={"version": uri, "model-sha256": identity.sha256 if identity else ""},
    )
    return remarked(report, options.reading)
