"""What check-split can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.data.tables.dialect import TableOptions
from cd4ml.inputs import feature_words, vocabulary
from cd4ml.inputs.options import Group, Limit, option

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
    feature_times: tuple[str, ...] = option(
        "Columns of the times at which features became known; in no row may one be later than its label's time.",
        example="balance_at",
        group=Group.INPUT,
    )
    label_time: str | None = feature_words.LABEL_TIME.here("For feature-times (default: time).")
    exclude: tuple[str, ...] = vocabulary.EXCLUDE.here()
    maximum_overlap: float = option(
        "Largest share of test rows, beyond what chance explains, whose features are those of a training row. In this "
        "and the limits below, 1 allows all.",
        default=0.01,
        group=Group.LIMITS,
    )
    maximum_near_overlap: float = option(
        "The same for test rows that nearly equal a training row, and for those that do in all columns but one.",
        default=0.01,
        group=Group.LIMITS,
    )
    maximum_duplicates: float = option(
        "Largest share of test rows, beyond what chance explains, that equal another test row.",
        default=0.05,
        group=Group.LIMITS,
    )
    maximum_duplicate_keys: float = option(
        "Largest share of test rows whose key another test row has as well.", default=0.0, group=Group.LIMITS
    )
    maximum_key_overlap: float = option(
        "Largest share of test rows whose key a training row has.", default=0.0, group=Group.LIMITS
    )
    maximum_group_overlap: float = option(
        "Largest share of test rows whose entity (group) has training rows.", default=0.0, group=Group.LIMITS
    )
    maximum_time_overlap: float = option(
        "Largest share of test rows that are earlier than the latest training row.", default=0.0, group=Group.LIMITS
    )
    maximum_late_features: float = feature_words.MAXIMUM_LATE_FEATURES.here(default=0.0)
    maximum_feature_power: Limit = option(
        "Largest power (AUC, for targets of numbers R²) of a column alone: a number for all columns, and "
        "`column=number` for single ones. 1 allows all.",
        default=Limit(others=0.99),
        example="0.99, last_score=1",
        group=Group.LIMITS,
    )
    maximum_pair_power: float = option(
        "Largest power of the sum, difference, product or ratio of two columns that neither has alone; 1 allows all.",
        default=0.99,
        group=Group.LIMITS,
    )
    maximum_identifier_power: float | None = option(
        "Largest power of the order of an identifier (default: an AUC of 0.65, for targets of numbers an R² of 0.1); 1 "
        "allows all.",
        example="0.7",
        group=Group.LIMITS,
    )
    maximum_one_label_power: float = option(
        "Largest part of a label (R²) that categories which occur with this label only may explain; 1 allows all.",
        default=0.03,
        group=Group.LIMITS,
    )
    model_power: float | None = option(
        "The model's own AUC or R², if it is known: what reaches it alone is blamed from 0.04 below its limit on.",
        example="0.97",
        group=Group.DECISION,
    )
    maximum_unseen_categories: float | None = option(
        "Largest share of test rows, in any column, in categories that the training rows do not have; without it the "
        "shares are reported.",
        example="0.01",
        group=Group.LIMITS,
    )
    maximum_shift: float | None = option(
        "Largest population stability index of a feature between training and test rows; without it the shift is "
        "reported.",
        example="0.25",
        group=Group.LIMITS,
    )
    maximum_class_difference: float | None = option(
        "Largest difference between a class's shares of the training and of the test rows; without it the shares are "
        "reported.",
        example="0.1",
        group=Group.LIMITS,
    )
    minimum_class_rows: int | None = option(
        "Test rows of each class below which nothing is decided (evaluate-model tests classes from 50 on); without it "
        "the rows are reported.",
        example="50",
        group=Group.LIMITS,
    )
    any_column_order: bool = option(
        "Allow the test rows to have their columns in another order; with a candidate that names its columns any order "
        "is allowed.",
        default=False,
        group=Group.DECISION,
    )
    candidate: str | None = vocabulary.CANDIDATE.here(
        "The columns of both tables are compared with its signature; nothing of it is loaded."
    )
    tracking_uri: str | None = vocabulary.TRACKING_URI.here()
