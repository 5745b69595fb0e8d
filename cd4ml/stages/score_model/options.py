"""What score-model can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.data.tables.dialect import TableOptions
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option
from cd4ml.inputs.vocabulary import Isolation

EXAMPLE: Final = (
    "--candidate models:/credit@challenger --production models:/credit@champion"
    " --test-data data/test.parquet --target approved --keep sex,race"
)
OUTPUTS: Final[dict[str, str]] = {
    "predictions": "Path of the predictions table.",
    "predictions-sha256": "Digest of the predictions table, as it was written.",
    "train-predictions-sha256": "Digest of the predictions on training rows; empty if there are none.",
    "model-sha256": "Digest of the candidate's files.",
}


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of score-model."""

    candidate: str = vocabulary.CANDIDATE.here(required=True)
    production: str | None = option(
        "The model to beat, in the same forms; leave it out for a first release (and set bootstrap).",
        example="models:/credit@champion",
        group=Group.MODEL,
    )
    test_data: str = vocabulary.TEST_DATA.here("They hold the target.", required=True)
    target: str = vocabulary.TARGET.here(required=True)
    predictions: str = vocabulary.PREDICTIONS.here("Where it is written.", default="predictions.parquet")
    keep: tuple[str, ...] = vocabulary.KEEP.here("They are for slices and audits.")
    exclude: tuple[str, ...] = vocabulary.EXCLUDE.here("Needed only for models that do not name their input columns.")
    train_data: str | None = vocabulary.TRAIN_DATA.here("They are scored as well, to see overfitting.")
    train_predictions: str = vocabulary.TRAIN_PREDICTIONS.here(
        "Where it is written.", default="train-predictions.parquet"
    )
    measure_latency: bool = option(
        "Predict the test rows five more times with each model and report how long that takes (for evaluate-model).",
        default=False,
        group=Group.OUTPUT,
    )
    positive_label: str | None = vocabulary.POSITIVE_LABEL.here("By default the greater of the model's two classes.")
    bootstrap: bool = vocabulary.BOOTSTRAP.here(default=False)
    allow_same_model: bool = option(
        "Allow the candidate to be the same files as production.", default=False, group=Group.MODEL
    )
    allow_code: bool = vocabulary.ALLOW_CODE.here(default=False)
    tracking_uri: str | None = vocabulary.TRACKING_URI.here()
    behaviour: str | None = option(
        "A file of behaviour tests: what must not change the candidate's answers, which way they must go, and what "
        "they must be.",
        example="behaviour.yaml",
        group=Group.LIMITS,
    )
    behaviour_rows: int = option(
        "How many test rows the behaviour tests change; which ones follows from the rows' ids.",
        default=500,
        group=Group.LIMITS,
    )
    timeout: float = vocabulary.TIMEOUT.here(default=900.0)
    memory_limit: float | None = vocabulary.MEMORY_LIMIT.here()
    isolation: Isolation = vocabulary.ISOLATION.here(default=Isolation.AVAILABLE)
