"""What score-batch can be told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cd4ml.data.tables.dialect import TableOptions
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option
from cd4ml.inputs.runtime import RUNTIME, Runtime
from cd4ml.inputs.vocabulary import Isolation

EXAMPLE: Final = "--model models:/credit@champion --data today.parquet --output scores.parquet --keep city"
OUTPUTS: Final[dict[str, str]] = {
    "output": "The table that was published; empty if none was.",
    "output-sha256": "Digest of that table.",
    "model-sha256": "Digest of the model's files.",
    "run": "Id of the run, which stands in the table's metadata too.",
}
LOCAL: Final = vocabulary.LOCAL


class Runner(StrEnum):
    """Where the model runs."""

    LOCAL = "local"
    SPARK = "spark"
    RAY = "ray"


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of score-batch."""

    model: str = vocabulary.MODEL.here(required=True)
    data: tuple[str, ...] = vocabulary.DATA.here("One, whose rows are scored.")
    query: str | None = option(
        "A query in the SQL of the backend, whose rows are scored; instead of data.",
        example="SELECT * FROM customers ORDER BY id",
        group=Group.INPUT,
    )
    backend: str = vocabulary.BACKEND.here(default=LOCAL)
    output: str = vocabulary.OUTPUT.here(
        "A name that ends in `.parquet` is that of a Parquet file; any other is the folder of a Delta table.",
        required=True,
    )
    keep: tuple[str, ...] = vocabulary.KEEP.here()
    exclude: tuple[str, ...] = vocabulary.EXCLUDE.here("Needed only for models that do not name their input columns.")
    positive_label: str | None = vocabulary.POSITIVE_LABEL.here("By default the greater of the model's two classes.")
    allow_code: bool = vocabulary.ALLOW_CODE.here(default=False)
    tracking_uri: str | None = vocabulary.TRACKING_URI.here()
    runner: Runner = option(
        "Where the model runs: `local`, in one process beside this one; `spark` or `ray`, on the workers of the "
        "session or cluster that the engine's own settings describe.",
        default=Runner.LOCAL,
        group=Group.ADVANCED,
    )
    part_rows: int = option(
        "Rows that are scored at once; a run that is killed loses no more.", default=100_000, group=Group.ADVANCED
    )
    runtime: Runtime | None = RUNTIME.here(
        "By default its library. ONNX Runtime needs the converted model to be proven equal on the first rows, and on "
        "some of each part; `auto` tries that, and takes it where it is quicker too."
    )
    timeout: float = vocabulary.TIMEOUT.here("Each part of `part-rows` rows counts by itself.", default=900.0)
    memory_limit: float | None = vocabulary.MEMORY_LIMIT.here()
    isolation: Isolation = vocabulary.ISOLATION.here(default=Isolation.AVAILABLE)
