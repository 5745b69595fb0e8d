"""What train-model can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.data.tables.dialect import TableOptions
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option

EXAMPLE: Final = "--search-plan search/plan.json --train training:train --registered-model credit"
OUTPUTS: Final[dict[str, str]] = {
    "version": "The version that was registered, as `models:/<name>/<version>`; empty where none was.",
    "model-sha256": "Digest of the model's files; empty where none was trained.",
}


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of train-model."""

    search_plan: str = vocabulary.SEARCH_PLAN.here(default="search/plan.json")
    selected: str = vocabulary.SELECTED.here(default="search/selected.json")
    train: str = option(
        "The function that trains the model, as `module:function`: it is called with the parameters, all training "
        "rows and a folder, into which it saves an MLflow model.",
        required=True,
        example="training:train",
        group=Group.INPUT,
    )
    training_seconds: float = option("Seconds that the training may take.", default=3600.0, group=Group.LIMITS)
    allow_code: bool = vocabulary.ALLOW_CODE.here(default=False)
    registered_model: str = vocabulary.REGISTERED_MODEL.here(required=True)
    challenger_alias: str = option(
        "Alias of the version that is registered: score-model's candidate.", default="challenger", group=Group.MODEL
    )
    tracking_uri: str | None = vocabulary.TRACKING_URI.here()
