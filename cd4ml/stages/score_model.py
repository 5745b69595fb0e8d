"""Score the same test rows with the candidate and with the production model, each in its own environment."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml import options as declaration
from cd4ml.errors import OptionsError
from cd4ml.options import nearest, option
from cd4ml.report import Check, InputDigest, ModelIdentity, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    import pandas as pd

STAGE: Final = "score-model"
OUTPUTS: Final[dict[str, str]] = {
    "predictions": "Path of the predictions table.",
    "model-sha256": "Digest of the candidate's files.",
}


@dataclass(frozen=True, kw_only=True)
class Options(declaration.Options):
    """Options of score-model."""

    candidate: str = option(
        "The model to judge: models:/<name>/<version>, models:/<name>@<alias>, or a folder.",
        required=True,
        example="models:/credit@challenger",
    )
    production: str | None = option(
        "The model to beat, in the same forms; a first release has none (bootstrap).", example="models:/credit@champion"
    )
    test_data: str = option(
        "Rows to score (CSV or Parquet), with the target.", required=True, example="data/test.parquet"
    )
    target: str = option("Column of the test data that holds the true value.", required=True, example="approved")
    predictions: str = option("Where the predictions table is written.", default="predictions.parquet")
    keep: tuple[str, ...] = option(
        "Columns of the test data to carry into the predictions table, for slices and audits.", example="sex, age"
    )
    train_data: str | None = option("Training rows to score as well, to see overfitting.")
    train_predictions: str = option(
        "Where the predictions on the training rows are written.", default="train-predictions.parquet"
    )
    positive_label: str | None = option("Class whose probability is the score (default: the greater of two).")
    bootstrap: bool = option("Allow that there is no production model yet; the report says so.", default=False)
    allow_same_model: bool = option("Allow candidate and production to be the same files.", default=False)
    tracking_uri: str | None = option("The MLflow registry (default: MLFLOW_TRACKING_URI).")
    timeout: float = option("Seconds that one model may take to score one table.", default=900.0)


def run(options: Options, context: Context) -> Report:
    """Fetch both models, score the rows, and write the predictions table.

    Raises:
        OptionsError: the test data lack a column, or a model's environment cannot be resolved.
        UnavailableError: a model, the registry or the test data cannot be reached.
    """
    outputs = [Path(options.predictions), *([Path(options.train_predictions)] if options.train_data else [])]
    for path in outputs:
        path.unlink(missing_ok=True)  # what an earlier run left must never be judged as this one's
    test = _table(options.test_data, options)
    with tempfile.TemporaryDirectory(prefix="cd4ml-models-") as folder:
        candidate, production = _models(options, Path(folder), context)
        checks = [_different(candidate, production, options)] if production else [_bootstrap(options)]
        scored = _Scoring(options=options, context=context)
        frame = scored.table(test, "candidate", candidate)
        if production:
            frame = scored.table(test, "production", production, onto=frame)
        if options.train_data:
            train = _table(options.train_data, options)
            trained = scored.table(train, "candidate", candidate, what="training rows")
            scored.write(trained, Path(options.train_predictions), candidate.identity, None)
        if frame is not None and not scored.failed:
            scored.write(
                frame, Path(options.predictions), candidate.identity, production.identity if production else None
            )
    checks += scored.checks
    done = not scored.failed
    return Report(
        stage=STAGE,
        checks=checks,
        summary=_summary(checks, len(test), production is not None),
        metrics={"rows": len(test)},
        details={"locks": scored.locks},
        inputs=_digests(options, len(test)),
        candidate=candidate.identity,
        production=production.identity if production else None,
        outputs={"predictions": options.predictions if done else "", "model-sha256": candidate.identity.sha256},
    )


@dataclass(frozen=True, kw_only=True)
class _Fetched:
    """A model whose files are here."""

    folder: Path
    identity: ModelIdentity


def _models(options: Options, folder: Path, context: Context) -> tuple[_Fetched, _Fetched | None]:
    """Fetch the candidate and, unless this is a first release, the production model."""
    if options.production is None and not options.bootstrap:
        raise OptionsError(
            "production is not set", advice="Name the production model, or set bootstrap: true for a first release."
        )
    from cd4ml.registry import MissingModelError, fetch

    def get(uri: str, name: str) -> _Fetched:
        context.progress(f"Fetching {name} {uri}")
        path, identity = fetch(uri, folder / name, tracking_uri=options.tracking_uri, environ=context.environ)
        return _Fetched(folder=path, identity=identity)

    candidate = get(options.candidate, "candidate")
    if options.production is None:
        return candidate, None
    try:
        return candidate, get(options.production, "production")
    except MissingModelError as error:
        if options.bootstrap:
            return candidate, None
        raise MissingModelError(error.message, advice="For a first release set bootstrap: true.") from error


def _table(path: str, options: Options) -> pd.DataFrame:
    """Read rows and check that they hold what the options name."""
    from cd4ml.data.tables import read_table

    frame = read_table(Path(path))
    missing = [name for name in (options.target, *options.keep) if name not in frame.columns]
    problems = [f"{path} has no column `{name}`{nearest(name, map(str, frame.columns))}" for name in missing]
    if frame.empty:
        problems.append(f"{path}: the table has no rows")
    elif not missing and frame[options.target].isna().any():
        problems.append(
            f"{path}: the target `{options.target}` is missing in {frame[options.target].isna().sum()} rows"
        )
    if problems:
        raise OptionsError(problems)
    return frame.reset_index(drop=True)


def _digests(options: Options, rows: int) -> list[InputDigest]:
    """Return the digests of the tables that were scored."""
    from cd4ml.data.tables import digest

    digests = [digest(Path(options.test_data), "test-data", rows)]
    return digests + ([digest(Path(options.train_data), "train-data")] if options.train_data else [])


class _Scoring:
    """Scoring tables one after the other, collecting checks."""

    def __init__(self, *, options: Options, context: Context) -> None:
        """Start with nothing scored."""
        self.options = options
        self.context = context
        self.checks: list[Check] = []
        self.locks: dict[str, str] = {}

    @property
    def failed(self) -> bool:
        """Whether some table could not be scored."""
        return any(check.status is not Status.PASSED for check in self.checks)

    def table(
        self,
        rows: pd.DataFrame,
        name: str,
        model: _Fetched,
        *,
        what: str = "test rows",
        onto: pd.DataFrame | None = None,
    ) -> pd.DataFrame | None:
        """Return the predictions of a model beside the true values, or onto another model's; None if it failed."""
        import pandas as pd

        from cd4ml.scoring.score import ScoringError, score

        self.context.progress(f"Scoring {len(rows)} {what} with the {name} in its own environment")
        features = rows.drop(columns=[self.options.target])
        shared: dict[str, Any] = {"id": f"{name}-scored:{what.replace(' ', '-')}", "n": len(rows)}
        label = self.options.positive_label
        try:
            made, lock = score(
                model.folder, features, positive_label=label, timeout=self.options.timeout, context=self.context
            )
        except ScoringError as error:
            message = f"The {name} could not score the {len(rows)} {what}: {error}."
            advice = "Score the rows by hand in an environment made from the model's requirements.txt."
            check = Check(**shared, status=Status.ERROR, reason="not-scored", message=message, advice=advice)
            self.checks.append(check)
            return None
        self.locks[name] = hashlib.sha256(lock.encode()).hexdigest()
        message = f"The {name} scored {len(rows)} {what} in its own environment."
        self.checks.append(Check(**shared, status=Status.PASSED, message=message))
        if onto is not None:
            return pd.concat([onto, made.add_prefix("production_")], axis=1)
        return pd.concat([self._first_columns(rows), made, rows[list(self.options.keep)]], axis=1)

    def _first_columns(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return row ids and true values."""
        import pandas as pd

        ids = rows["row_id"] if "row_id" in rows.columns else range(len(rows))
        return pd.DataFrame({"row_id": ids, "y_true": rows[self.options.target]})

    def write(
        self, frame: pd.DataFrame | None, path: Path, candidate: ModelIdentity, production: ModelIdentity | None
    ) -> None:
        """Write a predictions table that was made."""
        from cd4ml.data.predictions import write_predictions

        if frame is not None:
            write_predictions(frame, path, candidate=candidate, production=production)


def _different(candidate: _Fetched, production: _Fetched, options: Options) -> Check:
    """Check that candidate and production are two models: a model never regresses against itself."""
    same = candidate.identity.sha256 == production.identity.sha256
    if not same:
        message = "Candidate and production are different models."
        return Check(id="different-model", status=Status.PASSED, message=message)
    message = f"Candidate and production are the same files ({candidate.identity.sha256[:12]})."
    if options.allow_same_model:
        return Check(id="different-model", status=Status.PASSED, message=f"{message} The configuration allows it.")
    return Check(
        id="different-model",
        status=Status.FAILED,
        reason="same-model",
        message=message,
        advice="Check the alias of the candidate; set allow-same-model: true if this is meant.",
    )


def _bootstrap(options: Options) -> Check:
    """Record that nothing was compared with."""
    what = f"{options.production} does not exist" if options.production else "no production model is named"
    message = f"First release (bootstrap): {what}, so the candidate is not compared with one."
    return Check(id="bootstrap", status=Status.PASSED, message=message)


def _summary(checks: list[Check], rows: int, compared: bool) -> str:
    """Say in one sentence what was done."""
    blocking: Mapping[str, str] = {check.id: check.message for check in checks if check.status is not Status.PASSED}
    if blocking:
        return " ".join(blocking.values())
    with_production = " and the production model" if compared else "; there is no production model yet"
    return f"{rows} test rows were scored by the candidate{with_production}."
