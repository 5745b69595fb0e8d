"""Training and test tables with one planted problem each, and as many clean ones that look like it.

A control has what tempts a check into a false alarm: rows that repeat by chance, an honest strong feature, gaps that
mean nothing. Its table has the same columns as that of the problem.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

_TARGET: Final = "approved"
_TEST_SHARE: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class Split:
    """Training and test rows, and what is declared of them."""

    train: pl.DataFrame
    test: pl.DataFrame
    target: str = _TARGET
    task: str = "binary"
    declared: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write both tables and what is declared."""
        folder.mkdir(parents=True, exist_ok=True)
        self.train.write_parquet(folder / "train.parquet")
        self.test.write_parquet(folder / "test.parquet")
        told = {"target": self.target, "task": self.task, "declared": dict(self.declared)}
        (folder / "split.json").write_text(json.dumps(told))


def _rows(n: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return clean rows: correlated numbers, categories, and a target that they explain in part."""
    debt, income, age = rng.multivariate_normal(np.zeros(3), [[1, 0.4, 0], [0.4, 1, 0.3], [0, 0.3, 1]], n).T
    city = rng.choice(["Rome", "Oslo", "Bern", "Kyiv"], n, p=[0.4, 0.3, 0.2, 0.1])
    chance = 1 / (1 + np.exp(-(1.2 * income - 1.0 * debt + 0.4 * (city == "Oslo") - 0.5)))
    return pl.DataFrame(
        {
            "income": np.exp(10 + 0.5 * income),
            "debt": np.exp(8 + 0.7 * debt),
            "age": np.clip(45 + 12 * age, 18, 95),
            "tenure": rng.exponential(4.0, n),
            "score": rng.normal(600, 80, n),
            "children": rng.poisson(1.1, n),
            "city": city,
            "channel": rng.choice(["web", "branch", "phone"], n),
            _TARGET: (rng.random(n) < chance).astype(np.int64),
        }
    )


def _split(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return training and test rows; the rows are in no order."""
    test = int(len(rows) * _TEST_SHARE)
    return rows[test:], rows[:test]


def _of(rows: pl.DataFrame, **more: object) -> Split:
    """Return rows as a split, with what is declared."""
    train, test = _split(rows)
    return Split(train=train, test=test, **more)  # type: ignore[arg-type]


def _few_valued(n: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return rows of few values, of which many occur twice by chance."""
    rows = _rows(n, rng)
    bins = {name: (rows[name].rank() / n * 4).floor() for name in ("income", "debt", "age")}
    return rows.with_columns([values.alias(name) for name, values in bins.items()]).drop("tenure", "score")


def _y(rows: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the target."""
    return rows[_TARGET].to_numpy()


def exact_overlap(n: int, rng: np.random.Generator, *, planted: bool) -> Split:
    """A twentieth of the test rows are training rows; the control's rows repeat by chance alone."""
    if not planted:
        return _of(_few_valued(n, rng))
    train, test = _split(_rows(n, rng))
    k = len(test) // 20
    return Split(train=train, test=pl.concat([test[k:], train[:k]]).sample(fraction=1, shuffle=True, seed=1))


def near_overlap(n: int, rng: np.random.Generator, *, planted: bool) -> Split:
    """A tenth of the test rows are training rows in rounded numbers and other capitals; the control's are all round."""
    train, test = _split(_rows(n, rng))
    if not planted:
        rounded = [pl.col("income", "debt").round(0), pl.col("age", "tenure", "score").round(1)]
        return Split(train=train.with_columns(rounded), test=test.with_columns(rounded))
    k = len(test) // 10
    near = train[:k].with_columns(
        pl.col("income", "debt").round_sig_figs(6),
        pl.col("age", "tenure", "score").round_sig_figs(5),
        pl.col("city").str.to_uppercase() + " ",
    )
    return Split(train=train, test=pl.concat([test[k:], near]))


def group_overlap(n: int, rng: np.random.Generator, *, planted: bool) -> Split:
    """Customers with several rows are in both parts; in the control each is in one."""
    rows = _rows(n, rng).with_columns(pl.Series("customer", rng.integers(0, n // 4, n)))
    declared = {"group": "customer"}
    if planted:
        return _of(rows, declared=declared)
    cut = int(n // 4 * _TEST_SHARE)
    return Split(
        train=rows.filter(pl.col("customer") >= cut), test=rows.filter(pl.col("customer") < cut), declared=declared
    )


def time_order(n: int, rng: np.random.Generator, *, planted: bool) -> Split:
    """Test rows are of the same time as training rows; in the control they are later."""
    start = np.datetime64("2025-01-01T00:00:00", "us")
    times = start + np.sort(rng.integers(0, 365 * 86_400, n)).astype("timedelta64[s]")
    rows = _rows(n, rng).with_columns(pl.Series("applied_at", times[::-1]))
    return _of(rows.sample(fraction=1, shuffle=True, seed=1) if planted else rows, declared={"time": "applied_at"})


def duplicate_rows(n: int, rng: np.random.Generator, *, planted: bool) -> Split:
    """A fifth of the test rows are there twice; the control's rows repeat by chance alone."""
    if not planted:
        return _of(_few_valued(n, rng))
    train, test = _split(_rows(n, rng))
    k = len(test) // 5
    return Split(train=train, test=pl.concat([test[k:], test[k : 2 * k]]))


def strong_feature(n: int, rng: np.random.Generator, *, planted: bool) -> Split:
    """A feature gives the target away (AUC 0.998); the control's is honest and strong (AUC 0.88)."""
    rows = _rows(n, rng)
    distance = 4.0 if planted else 1.7
    return _of(rows.with_columns(pl.Series("fee", distance * _y(rows) + rng.normal(size=n))))


def sum_of_two(n: int, rng: np.random.Generator, *, planted: bool) -> Split:
    """Two features add up to the target; in the control they explain half of it."""
    rows = _rows(n, rng)
    paid, open_ = rng.exponential(100, n), rng.exponential(100, n)
    noise = rng.normal(0, 1 if planted else 140, n)
    extra = {"paid": paid, "open": open_, "claim": paid + open_ + noise}
    rows = rows.drop(_TARGET).with_columns([pl.Series(name, values) for name, values in extra.items()])
    return _of(rows, target="claim", task="regression")


def identifier(n: int, rng: np.random.Generator, *, planted: bool) -> Split:
    """Numbers were given to one class after the other; in the control in no order."""
    rows = _rows(n, rng)
    order = np.argsort(_y(rows) + 0.02 * rng.normal(size=n)) if planted else rng.permutation(n)
    numbers = np.empty(n, dtype=np.int64)
    numbers[order] = np.arange(100_000, 100_000 + n)
    return _of(rows.with_columns(pl.Series("application", numbers)))


def missing_value(n: int, rng: np.random.Generator, *, planted: bool) -> Split:
    """A value is missing where the answer is no; in the control in a third of all rows, and little more often there."""
    rows = _rows(n, rng)
    chance = np.where(_y(rows) == 0, 0.99, 0.01) if planted else np.where(_y(rows) == 0, 0.36, 0.33)
    values = np.where(rng.random(n) < chance, np.nan, rng.exponential(30, n))
    return _of(rows.with_columns(pl.Series("callback_minutes", values).fill_nan(None)))


def one_label_category(n: int, rng: np.random.Generator, *, planted: bool) -> Split:
    """A category of 6 % of the rows occurs with one answer only; the control's with both."""
    rows = _rows(n, rng)
    closed = rng.random(n) < 0.06
    closed = closed & (_y(rows) == 0) | (rng.random(n) < 0.03) & (_y(rows) == 0) if planted else closed
    reason = np.where(closed, "withdrawn", rng.choice(["open", "new", "renewed"], n))
    return _of(rows.with_columns(pl.Series("reason", reason)))


def contract(n: int, rng: np.random.Generator, *, planted: bool) -> Split:
    """A number of training is text in the test, with categories that training never had; the control has one of few
    rows."""
    train, test = _split(_rows(n, rng))
    share = 0.15 if planted else 0.003
    new = pl.Series(rng.random(len(test)) < share)
    test = test.with_columns(pl.when(new).then(pl.lit("Lima")).otherwise(pl.col("city")).alias("city"))
    text = pl.col("children").cast(pl.String)
    return Split(
        train=train, test=test.with_columns(text) if planted else test, declared={"maximum-unseen-categories": "0.05"}
    )


def target_copied(n: int, rng: np.random.Generator, *, planted: bool) -> Split:
    """A column is the target in other words; the control's agrees with it on 85 % of the rows."""
    rows = _rows(n, rng)
    same = rng.random(n) < (1.0 if planted else 0.85)
    words = np.where((_y(rows) == 1) == same, "granted", "refused")
    return _of(rows.with_columns(pl.Series("letter", words)))


PROBLEMS: Final[Mapping[str, Callable[..., Split]]] = {
    make.__name__.rstrip("_").replace("_", "-"): make
    for make in (
        exact_overlap,
        near_overlap,
        group_overlap,
        time_order,
        duplicate_rows,
        strong_feature,
        sum_of_two,
        identifier,
        missing_value,
        one_label_category,
        contract,
        target_copied,
    )
}
