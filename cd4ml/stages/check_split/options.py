"""What check-split can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.data.tables.dialect import TableOptions
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option

EXAMPLE: Final = "--train-data data/train.parquet --test-data data/test.parquet --target approved"
OUTPUTS: Final[dict[str, str]] = {}


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of check-split."""

    train_data: str = vocabulary.TRAIN_DATA.here(required=True)
    test_data: str = vocabulary.TEST_DATA.here(required=True)
    target: str = vocabulary.TARGET.here(required=True)
    key: tuple[str, ...] = option(
        "Columns that together identify a row, in both tables.", example="application_id", group=Group.INPUT
    )
    group: tuple[str, ...] = option(
        "Columns of entities that must not be in both tables: customers, patients, devices.",
        example="customer_id",
        group=Group.INPUT,
    )
    time: str | None = option(
        "Column of the time of a row, where the test must be later than the training.",
        example="applied_at",
        group=Group.INPUT,
    )
    exclude: tuple[str, ...] = vocabulary.EXCLUDE.here()
    maximum_overlap: float = option(
        "Largest share of test rows, beyond what chance explains, whose features are those of a training row; 1 allows "
        "all.",
        default=0.01,
        group=Group.LIMITS,
    )
