"""Columns of training and test rows against each other and against a model's signature -> checks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Final

from cd4ml.checks.split.listing import MOST_NAMED, named
from cd4ml.data.tables.columns import Family
from cd4ml.metrics.split.recoding import Copied, Kind
from cd4ml.report import Bound, Check, Status, chance
from cd4ml.report.ids import check_id

_LEVEL: Final = 0.05
# What MLflow calls the types of columns, by what may stand in them; others cannot be compared.
_SIGNATURE: Final = {
    **dict.fromkeys(("integer", "long", "float", "double"), Family.NUMBER),
    "boolean": Family.BOOLEAN,
    "string": Family.TEXT,
    "datetime": Family.TIME,
}


def column_checks(train: Mapping[str, Family], test: Mapping[str, Family], *, any_order: bool) -> Iterator[Check]:
    """Check that both tables have the same columns, in one order, of the same types.

    Args:
        train, test: family of each column, in the order of the table.
        any_order: whether a different order is reported and does not block.
    """
    missing, extra = ([name for name in one if name not in other] for one, other in ((train, test), (test, train)))
    yield _columns(missing, extra, len(train))
    shared = [name for name in train if name in test]
    if shared:
        yield _order(shared, [name for name in test if name in train], any_order=any_order)
        yield from _types({name: (train[name], test[name]) for name in shared})


def _columns(missing: Sequence[str], extra: Sequence[str], columns: int) -> Check:
    """Check that the test rows have every column that the training rows have."""
    beside = f" Only the test rows have {named(extra)}." if extra else ""
    if not missing:
        message = f"The test rows have all {columns:,} columns of the training rows.{beside}"
        return Check(id="same-columns", status=Status.PASSED, metric="missing-columns", value=0, message=message)
    return Check(
        id="same-columns",
        status=Status.FAILED,
        reason="missing-columns",
        metric="missing-columns",
        value=len(missing),
        limit=0,
        bound=Bound.AT_MOST,
        message=f"The test rows lack {named(missing)}, which the training rows have.{beside}",
        advice="Prepare both tables with the same code; leave out what is not a feature with `exclude`.",
    )


def _order(train: Sequence[str], test: Sequence[str], *, any_order: bool) -> Check:
    """Check that the columns that both have stand in one order."""
    moved = [first for first, second in zip(train, test, strict=True) if first != second]
    if not moved:
        return Check(id="column-order", status=Status.PASSED, message="Both tables have their columns in one order.")
    return Check(
        id="column-order",
        status=Status.PASSED if any_order else Status.FAILED,
        reason="different-order",
        metric="moved-columns",
        value=len(moved),
        message=f"The columns stand in different orders, from `{moved[0]}` on: a model that takes them by position "
        "would mistake one for another.",
        advice=(
            None
            if any_order
            else "Write both tables with the same columns in the same order, or set any-column-order: true for a model "
            "that takes columns by name."
        ),
    )


def _types(families: Mapping[str, tuple[Family, Family]]) -> Iterator[Check]:
    """Check each shared column's type; a column without any value has none to compare."""
    differing = {name: pair for name, pair in families.items() if pair[0] is not pair[1] and Family.EMPTY not in pair}
    for name, (before, now) in differing.items():
        yield Check(
            id=check_id("same-type", name),
            status=Status.FAILED,
            reason="different-type",
            metric="type",
            value=str(now),
            limit=str(before),
            bound=Bound.EQUAL,
            message=f"`{name}` is of type {now} in the test rows, but {before} in the training rows.",
            advice="Read both tables in the same way, and convert the column where the data are prepared.",
        )
    if not differing:
        message = f"All {len(families):,} shared columns are of the same type."
        yield Check(id="same-type", status=Status.PASSED, message=message)


def empty_column_checks(features: Sequence[str], train: Set[str], test: Set[str]) -> Iterator[Check]:
    """Check that no feature has values in one table and none in the other.

    Args:
        features: columns that both tables have.
        train, test: those of them with a value.
    """
    empty = [name for name in features if (name in train) is not (name in test)]
    for name in empty:
        has, lacks = ("training", "test") if name in train else ("test", "training")
        yield Check(
            id=check_id("empty-column", name),
            status=Status.FAILED,
            reason="empty-column",
            message=f"`{name}` has values in the {has} rows, but none in the {lacks} rows.",
            advice="Prepare both tables with the same code; leave out what is not a feature with `exclude`.",
        )
    if features and not empty:
        message = f"None of {len(features):,} features has values in one table alone."
        yield Check(id="empty-column", status=Status.PASSED, metric="empty-columns", value=0, message=message)


def signature_checks(
    uri: str,
    signature: Mapping[str, str] | None,
    required: Sequence[str],
    tables: Mapping[str, Mapping[str, Family]],
    *,
    target: str,
) -> Iterator[Check]:
    """Check both tables against the columns that a model takes, and that the target is not one of them.

    Args:
        signature: type of each column that the model takes, as MLflow calls it; None if it names no columns.
        required: those of them that rows must have.
        tables: family of each column, by what the table is called.
    """
    if signature is None:
        yield Check(
            id="signature",
            status=Status.ERROR,
            reason="no-signature",
            message=f"{uri} has no signature that names its columns: the tables could not be compared with the model.",
            advice="Save the model with signature=infer_signature(rows, predictions), or leave `candidate` out.",
        )
        return
    for table, families in tables.items():
        yield _signature(uri, signature, required, table, families)
    inside = target in signature
    yield Check(
        id="target-among-features",
        status=Status.FAILED if inside else Status.PASSED,
        reason="target-among-features" if inside else None,
        message=(
            f"{uri} takes the target `{target}` as a feature: it is told the answer."
            if inside
            else f"The target is not among the {len(signature):,} columns that {uri} takes."
        ),
        advice="Train the model without the target, then save it with a signature of its features." if inside else None,
    )


def _signature(
    uri: str, signature: Mapping[str, str], required: Sequence[str], table: str, families: Mapping[str, Family]
) -> Check:
    """Check one table against the columns that the model takes."""
    missing = [name for name in required if name not in families]
    wrong = [
        f"`{name}` is of type {families[name]}, not {type}"
        for name, type in signature.items()
        if name in families and _SIGNATURE.get(type, families[name]) not in (families[name], Family.EMPTY)
        if families[name] is not Family.EMPTY
    ]
    problems = [f"{named(missing)} missing"] if missing else []
    problems += [*wrong[:MOST_NAMED], *([f"{len(wrong) - MOST_NAMED} more"] if len(wrong) > MOST_NAMED else [])]
    return Check(
        id=check_id("signature", table),
        status=Status.FAILED if problems else Status.PASSED,
        reason=("missing-columns" if missing else "different-type") if problems else None,
        metric="differing-columns",
        value=len(missing) + len(wrong),
        limit=0,
        bound=Bound.AT_MOST,
        message=(
            f"The {table} rows do not match the signature of {uri}: {'; '.join(problems)}."
            if problems
            else f"The {table} rows match the signature of {uri} ({len(signature):,} columns)."
        ),
        advice=(
            "Write the columns as the model takes them, or save the model with the signature of what it was trained "
            "on."
            if problems
            else None
        ),
    )


def copied_checks(
    found: Mapping[str, Copied], compared: int, *, target: str, in_test: Sequence[str]
) -> Iterator[Check]:
    """Check that no column is the target under another name.

    Args:
        found: columns that match the target on every training row.
        compared: columns that were compared; each has its share of the level.
        in_test: columns that match it on every test row as well.
    """
    certain = {name: one for name, one in found.items() if one.p_value * compared <= _LEVEL}
    unsure = {name: one for name, one in found.items() if name not in certain and one.p_value <= _LEVEL}
    for name, one in (*certain.items(), *unsure.items()):
        where = "and on all test rows" if name in in_test else "but not on the test rows"
        sure = name in certain
        yield Check(
            id=check_id("target-copied", name),
            status=Status.FAILED if sure else Status.INCONCLUSIVE,
            reason="target-copied" if sure else "too-few-rows",
            metric="matching-rows",
            value=one.n,
            n=one.n,
            message=f"`{name}` {_WORDS[one.kind].format(target=target)} on all {one.n:,} training rows, {where}."
            + ("" if sure else f" On so few rows it could be chance ({chance(min(1.0, one.p_value * compared))})."),
            advice=(
                "Leave the column out of the features, with `exclude` here and in score-model."
                if sure
                else "Add training rows, or name the column in `exclude` if it is not a feature."
            ),
        )
    if not certain and not unsure:
        message = f"None of {compared:,} columns is the target under another name."
        yield Check(id="target-copied", status=Status.PASSED, metric="copies", value=0, message=message)


_WORDS: Final = {
    Kind.COPY: "equals the target `{target}`",
    Kind.RECODING: "is the target `{target}` in other words: each of its values goes with one of the target's",
    Kind.LINEAR: "is the target `{target}` on another scale",
}
