"""Keys and entities of both tables -> checks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cd4ml.checks.split.within_limit import within_limit_check
from cd4ml.report import Check, percent
from cd4ml.report.ids import check_id


@dataclass(frozen=True, kw_only=True)
class Entities:
    """The values of a key or a group in test rows.

    Attributes:
        names: its columns.
        rows: of the test.
        missing, missing_train: rows of the test and of the training without a value in one of the columns.
        shared_rows, shared: those whose value a training row has as well, and how many values these are.
        repeated: rows whose value another test row has.
    """

    names: Sequence[str]
    rows: int
    missing: int
    missing_train: int
    shared_rows: int
    shared: int
    repeated: int

    def numbers(self) -> dict[str, int]:
        """Return the numbers for the report."""
        return {
            "rows_without": self.missing,
            "training_rows_without": self.missing_train,
            "rows_in_both": self.shared_rows,
            "in_both": self.shared,
            "rows_repeated": self.repeated,
        }

    @property
    def named(self) -> str:
        """The columns, for people."""
        return " and ".join(f"`{name}`" for name in self.names)

    @property
    def maybe_shared(self) -> int:
        """Other test rows whose value a training row may have; one that has none may hide any of them."""
        return self.rows - self.shared_rows if self.missing_train else self.missing

    @property
    def gaps(self) -> str:
        """How many rows of which table have no value, as a sentence; empty if all have one."""
        counts = (("training", self.missing_train), ("test", self.missing))
        told = [f"{n:,} {table} row{'' if n == 1 else 's'}" for table, n in counts if n]
        return f"No value in {' and '.join(told)}." if told else ""


def key_checks(found: Entities, *, maximum_duplicate_keys: float, maximum_key_overlap: float) -> Iterator[Check]:
    """Check that every test row has a key of its own, and none that a training row has."""
    yield within_limit_check(
        "duplicate-keys",
        found.repeated,
        found.rows,
        unknown=found.missing,
        gaps=found.gaps,
        limit=maximum_duplicate_keys,
        option="maximum-duplicate-keys",
        reason="repeated-keys",
        told=f"{found.repeated:,} of {found.rows:,} test rows share their key {found.named} with another test row",
        advice="Keep one row of each key, or name the columns that identify a row.",
    )
    yield within_limit_check(
        "key-overlap",
        found.shared_rows,
        found.rows,
        unknown=found.maybe_shared,
        gaps=found.gaps,
        limit=maximum_key_overlap,
        option="maximum-key-overlap",
        reason="keys-in-training",
        told=f"{found.shared_rows:,} of {found.rows:,} test rows have the key {found.named} of a training row",
        advice="Remove these rows from one of the tables, and train or test again.",
    )


def group_overlap_check(found: Entities, *, limit: float) -> Check:
    """Check that no entity of the test has training rows: the model may know it, as it will know no new one."""
    share = percent(found.shared_rows / found.rows)
    return within_limit_check(
        check_id("group-overlap", *found.names),
        found.shared_rows,
        found.rows,
        unknown=found.maybe_shared,
        gaps=found.gaps,
        limit=limit,
        option="maximum-group-overlap",
        reason="groups-in-training",
        told=f"{found.named}: {found.shared:,} value{'' if found.shared == 1 else 's'} in both tables, with "
        f"{found.shared_rows:,} of {found.rows:,} test rows ({share})",
        advice="Split by entity, so that all rows of one are on the same side.",
    )
