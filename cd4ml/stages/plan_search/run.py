"""Decide whether a search of hyper-parameters is due, and write down what its jobs are to do."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cd4ml.checks.data.remarks import remarked
from cd4ml.checks.search.due import (
    apart_check,
    asked_check,
    cooldown_check,
    nothing_due_check,
    served_check,
    validated_check,
)
from cd4ml.context import Context
from cd4ml.data.tables.header import lacking
from cd4ml.data.tables.opening import open_table
from cd4ml.errors import OptionsError
from cd4ml.registry import tags
from cd4ml.registry.described import Version, every_version, served
from cd4ml.report import Check, InputDigest, Report, Status, headline
from cd4ml.retraining.platform import Platform
from cd4ml.retraining.validated import validated
from cd4ml.scoring.training.run import Code, code_sha256
from cd4ml.search.plan import Plan, is_plan, write
from cd4ml.search.space import Parameter, parameters
from cd4ml.stages.plan_search.options import Options
from cd4ml.stages.training import code_problems, function_problems, lock_sha256
from cd4ml.writing import remove, result

STAGE: Final = "plan-search"
_DAY: Final = timedelta(days=1)
_MOST_JOBS: Final = 256  # of a matrix


def run(options: Options, context: Context) -> Report:
    """Check what the search rests on, and write its plan if it is due; for a request that was served none is.

    Raises:
        OptionsError: options decide nothing, or contradict each other.
        UnavailableError: data, code, the lock or the registry cannot be reached.
    """
    target = result("search-plan", options.search_plan, context.environ, endings=(".json",), ours=is_plan)
    remove(target)
    _check(options)
    space = parameters(options.space)
    versions = _versions(options, context)
    earlier = served(versions).get(options.request or 0)
    if earlier:
        return _nothing_due(options, f"models:/{options.registered_model}/{earlier}")
    context.progress(f"Reading {options.train_data}")
    inputs = _inputs(options)
    train, test = (one.sha256 for one in inputs)
    checks = [*_data_checks(options, train, test), *_due_checks(options, versions, context)]
    passed = all(check.status is Status.PASSED for check in checks)
    plan = _plan(options, space, context, train=train, test=test)
    if passed:
        write(plan, target)
    report = Report(
        stage=STAGE,
        checks=checks,
        summary=headline(checks) or _told(plan),
        metrics={"trials": plan.trials, "jobs": plan.jobs, "rows": inputs[0].rows},
        details={"plan": json.loads(plan.text)},
        inputs=inputs,
        seed=plan.seed,
        outputs={
            "jobs": json.dumps(list(range(plan.jobs)) if passed else []),
            "plan-sha256": plan.sha256 if passed else "",
            "served": "",
        },
    )
    return remarked(report, options.reading)


def _nothing_due(options: Options, version: str) -> Report:
    """Return the report on a request that led to a version before: there is nothing to do, and no plan."""
    checks = [nothing_due_check(options.request or 0, version)]
    outputs = {"jobs": "[]", "plan-sha256": "", "served": version}
    report = Report(stage=STAGE, checks=checks, summary=checks[0].message, outputs=outputs)
    return remarked(report, options.reading)


def _check(options: Options) -> None:
    """Refuse options that decide nothing."""
    least = {"trials": 1, "jobs": 1, "folds": 2, "inner-folds": 2}
    numbers = {
        "trials": options.trials,
        "jobs": options.jobs,
        "folds": options.folds,
        "inner-folds": options.inner_folds,
    }
    problems = [
        f"{name} must be at least {least[name]}, got {value}" for name, value in numbers.items() if value < least[name]
    ]
    if not problems and not options.jobs <= min(options.trials, _MOST_JOBS):
        problems.append(f"jobs must be at most {_MOST_JOBS} and no more than trials, got {options.jobs}")
    if not 0 < options.search_seconds < math.inf:
        problems.append(f"search-seconds must be above 0, got {options.search_seconds:g}")
    if not 0 <= options.cooldown_days <= 366:
        problems.append(f"cooldown-days must be from 0 to 366, got {options.cooldown_days:g}")
    if options.request is not None and options.request < 1:
        problems.append(f"request must be the number of an issue, got {options.request}")
    if options.request is not None and not options.registered_model:
        problems.append("request needs registered-model, whose versions tell which requests were served")
    if options.issue_label is not None and options.request is None:
        problems.append("issue-label needs request, the number of the issue")
    if options.stratify and options.fold_group:
        problems.append("set stratify or fold-group, not both")
    problems += function_problems("score", options.score)
    if problems:
        raise OptionsError(problems)


def _inputs(options: Options) -> list[InputDigest]:
    """Return the digests of both tables; neither may be part of what the training code sees."""
    names = {"train-data": options.train_data, "test-data": options.test_data}
    tables = {name: open_table(written, hashed=True, reading=options.reading) for name, written in names.items()}
    source = tables["train-data"].source()
    columns = [name for name in (options.stratify, options.fold_group) if name]
    problems = lacking(source.name, columns, list(source.schema))
    if source.rows < options.folds * options.inner_folds:
        parts = f"{options.folds} folds with {options.inner_folds} in each"
        problems.append(f"{source.name}: {source.rows} rows are too few for {parts}")
    problems += code_problems(options.training_code, [table.path for table in tables.values()])
    if problems:
        raise OptionsError(problems)
    rows = {"train-data": source.rows, "test-data": None}
    return [table.digest(name, rows[name]) for name, table in tables.items()]


def _data_checks(options: Options, train: str, test: str) -> list[Check]:
    """Check that the rows to train on are no test rows, and those that validate-data passed on."""
    checks = [apart_check(train, test)]
    if options.data_report is not None:
        passed, digests = validated(Path(options.data_report))
        checks.append(validated_check(train, passed=passed, validated=digests))
    return checks


def _versions(options: Options, context: Context) -> Sequence[Version]:
    """Return the versions of the registered model; without one none is known."""
    if not options.registered_model:
        return ()
    context.progress("Asking the registry for earlier retrainings")
    return every_version(options.registered_model, tracking_uri=options.tracking_uri, environ=context.environ)


def _due_checks(options: Options, versions: Sequence[Version], context: Context) -> list[Check]:
    """Check that a request asks for this, and that the last retraining is long enough ago."""
    last = max((_trained(one.tags) for one in versions if tags.TRAINED in one.tags), default=None)
    checks = [
        served_check(options.request or 0, served(versions)),
        cooldown_check(last, cooldown=options.cooldown_days * _DAY, now=datetime.now(UTC)),
    ]
    if options.issue_label is not None and options.request is not None:
        context.progress("Looking the request up on GitHub")
        platform = Platform.of(context.environ, None, permissions="`issues: read`")
        problem = platform.problem_of(options.request, options.issue_label)
        checks.insert(0, asked_check(options.request, problem))
    return checks


def _trained(found: Mapping[str, str]) -> datetime:
    """Return when a version was trained."""
    try:
        return datetime.fromisoformat(found[tags.TRAINED]).astimezone(UTC)
    except ValueError as error:
        raise OptionsError(
            f"the tag {tags.TRAINED} of a version is {found[tags.TRAINED][:50]!r}, which is not a time",
            advice="Correct or delete the tag: it says when the model was trained last.",
        ) from error


def _plan(options: Options, space: tuple[Parameter, ...], context: Context, *, train: str, test: str) -> Plan:
    """Return the plan."""
    code = Code(function=options.score, files=options.training_code, lock=Path(options.training_lock))
    return Plan(
        space=space,
        trials=options.trials,
        jobs=options.jobs,
        seconds=float(options.search_seconds),
        sampler=str(options.sampler),
        direction=str(options.direction),
        seed=options.search_seed,
        folds=options.folds,
        inner_folds=options.inner_folds,
        stratify=options.stratify or "",
        group=options.fold_group or "",
        score=options.score,
        code=tuple(options.training_code),
        lock=options.training_lock,
        train_data=options.train_data,
        test_data=options.test_data,
        train_sha256=train,
        test_sha256=test,
        code_sha256=code_sha256(code),
        lock_sha256=lock_sha256(code.lock),
        commit=context.basis.source.git_sha or "",
        request=options.request or 0,
    )


def _told(plan: Plan) -> str:
    """Say in a sentence what is planned."""
    fits = plan.folds * (1 + plan.inner_folds)
    return (
        f"{plan.trials} trials in {plan.jobs} jobs, each trial with {fits} fits, in {plan.seconds:g} seconds at most."
    )
