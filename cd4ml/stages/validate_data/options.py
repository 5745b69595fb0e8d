"""What validate-data can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cd4ml.data.tables.dialect import TableOptions
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option

EXAMPLE: Final = "--data data/train.parquet --schema schema.yaml"
OUTPUTS: Final[dict[str, str]] = {}
LOCAL: Final = vocabulary.LOCAL
# What the ids of checks between two tables begin with.
SKEW: Final = "skew:"


class OnPersonalData(StrEnum):
    """What personal data in a column does to the verdict."""

    WARN = "warn"
    FAIL = "fail"
    IGNORE = "ignore"


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of validate-data."""

    data: tuple[str, ...] = vocabulary.DATA.here(required=True)
    schema: str = option(
        "The pandera schema: a YAML file, or module:object of a DataFrameSchema or DataFrameModel.",
        required=True,
        example="schema.yaml",
        group=Group.INPUT,
    )
    serving: str | None = option(
        "A table of serving data, checked against the same schema and compared with data column by column.",
        example="data/requests.parquet",
        group=Group.INPUT,
    )
    training_only: tuple[str, ...] = option(
        "Columns that serving data need not have, such as the target.", group=Group.INPUT
    )
    minimum_rows: int = option("Rows below which a table counts as truncated.", default=2, group=Group.LIMITS)
    include_values: bool = vocabulary.INCLUDE_VALUES.here("With it, failing values are shown.", default=False)
    allow_infinite: tuple[str, ...] = option(
        "Columns that may hold infinities, which pass bounds such as `ge(0)`.", group=Group.LIMITS
    )
    warn: tuple[str, ...] = option(
        "Checks, by their ids in the report, that warn instead of blocking.",
        example="in_range:age",
        group=Group.DECISION,
    )
    budget: Mapping[str, float] = option(
        "Largest share of rows that may break a check, by the check's id.",
        example="not-nullable:income=0.001",
        group=Group.LIMITS,
    )
    on_personal_data: OnPersonalData = option(
        "What a column with mail addresses, card or account numbers or national identifiers does: `warn` reports it, "
        "`fail` blocks, `ignore` does not look.",
        default=OnPersonalData.WARN,
        group=Group.DECISION,
    )
    allow_personal_data: tuple[str, ...] = option("Columns that may hold personal data.", group=Group.LIMITS)
    personal_data_rows: int = option(
        "Rows, from the first on, that are searched for personal data.", default=10_000, group=Group.ADVANCED
    )
    freshness: Mapping[str, float] = option(
        "Largest age in hours of the latest value of a column of times (UTC).", example="created=24", group=Group.LIMITS
    )
    previous_report: str | None = option(
        "Report of the last accepted data, for maximum-row-change.",
        example="accepted/validate-data.json",
        group=Group.INPUT,
    )
    maximum_row_change: float | None = option(
        "Largest allowed change of the number of rows since previous-report, as a share.",
        example="0.5",
        group=Group.LIMITS,
    )
    backend: str = vocabulary.BACKEND.here("The checks are computed there.", default=LOCAL)
    read_everything: bool = option(
        "Read every value and do not trust the metadata of Parquet files.", default=False, group=Group.ADVANCED
    )
