"""Score the same test rows with the candidate and with the production model, each in its own environment."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.checks.data.remarks import remarked
from cd4ml.checks.image.model_code import model_code_check
from cd4ml.checks.scoring.models import called, different_model_check, first_release_check
from cd4ml.context import Context
from cd4ml.data.predictions.table import is_predictions, write_predictions
from cd4ml.data.tables.formats.parquet.files import PARQUET
from cd4ml.data.tables.header import lacking
from cd4ml.data.tables.opening import open_table
from cd4ml.data.tables.table import Table
from cd4ml.errors import OptionsError
from cd4ml.model_files import code_of
from cd4ml.model_files.signature import inputs as signature_inputs
from cd4ml.registry import MissingModelError, fetch
from cd4ml.report import Check, InputDigest, Report, Status
from cd4ml.stages.score_model.behaviour import asked
from cd4ml.stages.score_model.judging import Verdict, judged
from cd4ml.stages.score_model.options import Options
from cd4ml.stages.score_model.preflight import check_options, without_production, written_tables
from cd4ml.stages.score_model.scoring import Fetched, Scoring
from cd4ml.writing import remove, result

if TYPE_CHECKING:
    import pandas as pd


STAGE: Final = "score-model"
TEST: Final = "test rows"
TRAINING: Final = "training rows"


def run(options: Options, context: Context) -> Report:
    """Fetch both models, score the rows, and write the predictions table.

    Raises:
        OptionsError: the test data lack a column, or a model's environment cannot be resolved.
        UnavailableError: a model, the registry or the test data cannot be reached.
    """
    check_options(options)
    _remove_outputs(options, context)
    named = [name for name in (options.test_data, options.train_data) if name]
    context.progress(f"Reading {' and '.join(named)}")
    tables = [open_table(name, reading=options.reading) for name in named]
    test, *others = [_rows(table, options) for table in tables]
    train = others[0] if others else None
    inputs = _digests(tables, [len(test), *map(len, others)])
    tested = asked(options, test)
    inputs += tested.inputs if tested else ()
    trials = tested.tables if tested else ()
    verdict = Verdict(checks=())
    with tempfile.TemporaryDirectory(prefix="cd4ml-models-") as folder:
        candidate, production = _models(options, Path(folder), context)
        scored = Scoring(options=options, context=context)
        checks = (
            [different_model_check(candidate.identity, production.identity, allow_same=options.allow_same_model)]
            if production
            else [first_release_check(options.production)]
        )
        code = {"candidate": _code(candidate), **({"production": _code(production)} if production else {})}
        checks += [model_code_check(found, allowed=options.allow_code, name=name) for name, found in code.items()]
        scored.code = {name: found for name, found in code.items() if found}
        if any(check.status is not Status.PASSED for check in checks):  # minutes of scoring would change nothing
            return _report(options, checks, len(test), models=(candidate, production), inputs=inputs, scored=scored)
        # Production first: a candidate that runs code must find nothing left to change in the numbers it has to beat.
        theirs = scored.predictions("production", production, {TEST: test}, trials)[0] if production else None
        rows = {TEST: test} if train is None else {TEST: test, TRAINING: train}
        ours, *trained = scored.predictions("candidate", candidate, rows, trials)
        signature = signature_inputs(candidate.folder) if tested else None
        taken = [one.name for one in signature] if signature else None
    if not scored.failed:
        scored.wrote(_write(options, test, ours, theirs, models=(candidate, production), data=inputs[0]))
        if train is not None:
            scored.wrote(_write(options, train, trained[0], None, models=(candidate, None), data=inputs[1]))
        if tested and ours is not None:
            before = None if theirs is None else (theirs, scored.trials["production"])
            verdict = judged(tested, ours, scored.trials["candidate"], before, taken)
    checks += [*scored.checks, *verdict.checks]
    models = (candidate, production)
    return _report(options, checks, len(test), models=models, inputs=inputs, scored=scored, behaviour=verdict.metrics)


def _report(
    options: Options,
    checks: list[Check],
    rows: int,
    *,
    models: tuple[Fetched, Fetched | None],
    inputs: list[InputDigest],
    scored: Scoring,
    behaviour: Mapping[str, Any] | None = None,
) -> Report:
    """Return what was done; a table that was not written is not output."""
    candidate, production = models
    others = {"production": production.size} if production else {}
    report = Report(
        stage=STAGE,
        checks=checks,
        summary=_summary(checks, rows, production is not None),
        metrics={
            "rows": rows,
            "size_bytes": {"candidate": candidate.size, **others},
            **({"behaviour": behaviour} if behaviour else {}),
        },
        details={
            "locks": scored.locks,
            "isolation": scored.isolation,
            **({"code": scored.code} if scored.code else {}),
        },
        measured=scored.measured,
        inputs=inputs,
        candidate=candidate.identity,
        production=production.identity if production else None,
        outputs={
            "predictions": options.predictions if "predictions" in scored.tables else "",
            "model-sha256": candidate.identity.sha256,
            **{f"{name}-sha256": scored.tables.get(name, "") for name in ("predictions", "train-predictions")},
        },
    )
    return remarked(report, options.reading)


def _models(options: Options, folder: Path, context: Context) -> tuple[Fetched, Fetched | None]:
    """Fetch the candidate and, unless this is a first release, the production model."""

    def get(uri: str, name: str) -> Fetched:
        context.progress(f"Fetching the {called(name)} {uri}")
        path, identity = fetch(uri, folder / name, tracking_uri=options.tracking_uri, environ=context.environ)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return Fetched(folder=path, identity=identity, size=size)

    if options.production is None:
        return get(options.candidate, "candidate"), None
    with ThreadPoolExecutor(max_workers=1) as side_by_side:
        other = side_by_side.submit(get, options.production, "production")
        candidate = get(options.candidate, "candidate")
        try:
            return candidate, other.result()
        except MissingModelError as error:
            if options.bootstrap:
                return candidate, None
            raise without_production(error) from error


def _code(model: Fetched) -> list[str]:
    """Return what would run when a model is loaded, in words."""
    return code_of(model.folder)


def _rows(table: Table, options: Options) -> pd.DataFrame:
    """Read rows and check that they hold what the options name."""
    path, frame = table.name, table.frame()
    problems = lacking(path, (options.target, *options.keep, *options.exclude), list(frame.columns))
    if frame.empty:
        problems.append(f"{path}: the table has no rows")
    if not problems:
        problems += [
            f"{path}: `{name}` is missing in {frame[name].isna().sum()} rows"
            for name in (options.target, *_ids(frame))
            if frame[name].isna().any()
        ]
        problems += [f"{path}: row ids occur more than once" for name in _ids(frame) if frame[name].duplicated().any()]
    if problems:
        raise OptionsError(problems)
    return frame.reset_index(drop=True)


def _ids(frame: pd.DataFrame) -> list[str]:
    """Return the name of the column that identifies rows, if there is one."""
    return ["row_id"] if "row_id" in frame.columns else []


def _remove_outputs(options: Options, context: Context) -> None:
    """Remove what an earlier run left: it must never be judged as this one's.

    Raises:
        OptionsError: a table would be written over another file, over an input, or outside the workspace.
    """
    paths = written_tables(options)
    targets = [
        result(name, path, context.environ, endings=PARQUET, ours=is_predictions) for name, path in paths.items()
    ]
    for target in targets:
        remove(target)


def _digests(tables: Sequence[Table], rows: Sequence[int]) -> list[InputDigest]:
    """Return the digests of the tables that are scored; training rows that are the test rows show no overfitting."""
    names = ("test-data", "train-data")
    found = [table.digest(name, n) for table, name, n in zip(tables, names, rows, strict=False)]
    if len({digest.sha256 for digest in found}) < len(found):
        raise OptionsError("train-data and test-data are the same rows: overfitting would not show")
    return found


def _write(
    options: Options,
    rows: pd.DataFrame,
    ours: pd.DataFrame | None,
    theirs: pd.DataFrame | None,
    *,
    models: tuple[Fetched, Fetched | None],
    data: InputDigest,
) -> InputDigest:
    """Write the predictions table of test or training rows; return its digest."""
    import pandas as pd

    name = "predictions" if data.name == "test-data" else "train-predictions"
    path = Path(options.predictions if data.name == "test-data" else options.train_predictions)

    ids = rows["row_id"] if "row_id" in rows.columns else range(len(rows))
    columns = [pd.DataFrame({"row_id": ids, "y_true": rows[options.target]}), ours]
    columns += [theirs.add_prefix("production_")] if theirs is not None else []
    candidate, production = models
    write_predictions(
        pd.concat([*columns, rows[list(options.keep)]], axis=1),
        path,
        candidate=candidate.identity,
        production=production.identity if production else None,
        test_data=data,
    )
    return open_table(path).digest(name, len(rows))


def _summary(checks: Sequence[Check], rows: int, compared: bool) -> str:
    """Say in one sentence what was done."""
    blocking: Mapping[str, str] = {check.id: check.message for check in checks if check.status is not Status.PASSED}
    if blocking:
        return " ".join(blocking.values())
    with_production = " and the production model" if compared else "; there is no production model yet"
    return f"{rows:,} test rows were scored by the candidate{with_production}."
