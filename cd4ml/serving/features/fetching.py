"""The features of a request are fetched, judged, and put beside what the request gives."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from sys import getsizeof
from typing import Any, Final

from cd4ml.feature_store import layout
from cd4ml.serving.exchange import Exchange
from cd4ml.serving.features.entities import Entity, check
from cd4ml.serving.features.held import Held, Key, Lack, Value
from cd4ml.serving.features.reading import KEY, Lacking, Reader
from cd4ml.serving.features.times import unfit
from cd4ml.serving.protocols import Body, Dialect, Question
from cd4ml.serving.protocols.predict import Predict
from cd4ml.serving.reading import exact
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.signature import Column
from cd4ml.serving.stores.lookups import Lookups, Source

_MARK: Final = f'"{KEY}"'.encode()
# Clocks of two machines differ by less.
_AHEAD: Final = timedelta(seconds=60)
_NOTHING: Final = Value(lack=Lack.MISSING)
_WORDS: Final = {Lack.MISSING: "is not in the online store", Lack.STALE: "is too old in the online store"}


class FeatureStore:
    """See Features.

    Attributes:
        counts: features by what came of them: `found`, `missing`, `stale`, `unusable`; and lookups that were not
            answered: `unanswered`, `bypassed-open`.
        observe: told of each request how many seconds it waited.
    """

    def __init__(
        self,
        source: Source[Key, Held],
        entities: Sequence[Entity],
        *,
        budget: float,
        oldest: timedelta | None,
        nulls: bool,
        most_rows: int,
    ) -> None:
        """Prepare; nothing is connected.

        Args:
            budget: how many seconds a request may wait.
            oldest: the age from which on a feature is too old.
            nulls: whether a feature that the store does not have is a missing value, where the signature allows that.
        """
        self.entities: Sequence[Entity] = entities
        self.counts: Counter[str] = Counter()
        self.observe: Callable[[float], None] = lambda _seconds: None
        self.lookups = Lookups(source, name="the online store", budget=budget, counts=self.counts)
        self._source, self._oldest, self._nulls, self._most_rows = source, oldest, nulls, most_rows
        self._columns: Mapping[str, Column] = {}
        self._reader: Reader

    def know(self, runtime: Runtime) -> None:
        """Take the model's columns, before the first row is asked for.

        Raises:
            SettingsError: it does not take a feature that the store is to give.
        """
        check(self.entities, runtime.columns)
        self._columns = {column.name: column for column in runtime.columns}
        self._reader = Reader(self.entities, runtime.columns)

    async def start(self) -> None:
        """Begin to look for the store."""
        self.lookups.start(watch=True)

    async def close(self) -> None:
        """Leave the store."""
        await self.lookups.close()
        await self._source.close()

    def ready(self) -> str | None:
        """Return why the gateway is not ready."""
        return None if self.lookups.usable else f"the online store is not usable: {self.lookups.breaker.reason}"

    async def question(self, dialect: Dialect, body: Body, exchange: Exchange) -> Question:
        """See Features."""
        if _MARK not in body.content or not isinstance(dialect, Predict):
            return dialect.read(body)
        document = exact.document(body.content)
        if not isinstance(document, dict) or KEY not in document:
            return dialect.read(body)
        probabilities = dialect.asks_for_probabilities(body)
        rows = self._reader.read(exact.objects(document, KEY, self._most_rows))
        self._refuse_times(rows)
        held = await self._held(rows, exchange)
        merged = self._merged(rows, held)
        # A feature that the store does not have is in the row, but was not fetched.
        exchange.bytes_fetched = sum(getsizeof(value.value) for one in held.values() for value in one.values())
        exchange.fetched = [
            {name: layout.stamp(value.moment).decode() for name, value in values.items() if value.moment is not None}
            for values in merged
        ]
        both = zip(rows, merged, strict=True)
        whole = [row.given | {name: value.value for name, value in values.items()} for row, values in both]
        return Question(exact.batch_of(whole, list(self._columns.values())), probabilities)

    def _refuse_times(self, rows: Sequence[Lacking]) -> None:
        """Refuse texts sent for times that are none, by their place: the model's own conversion knows no entities.

        Raises:
            Refused: there are such texts.
        """
        problems = []
        for column in (column for column in self._columns.values() if column.type == "datetime"):
            given = [row.given.get(column.name) for row in rows]
            odd = unfit({text for text in given if isinstance(text, str)}, column)
            places = [at for at, text in enumerate(given) if isinstance(text, str) and text in odd]
            problems += [Problem(path=f"{KEY}[{at}].{column.name}", problem=odd[str(given[at])]) for at in places]
        if problems:
            raise Refused(422, "rows-do-not-fit", "The rows do not fit the model's columns.", problems)

    async def _held(self, rows: Sequence[Lacking], exchange: Exchange) -> dict[Key, Held]:
        """Return what the store holds of the entities of a request.

        Raises:
            Refused: it cannot be asked, or does not answer in time.
        """
        keys = list(dict.fromkeys(key for row in rows for key in row.wanted))
        if not keys:
            return {}
        began = time.perf_counter()
        found = await self.lookups.get(keys)
        exchange.fetching = time.perf_counter() - began
        self.observe(exchange.fetching)
        if found is None:
            raise Refused(503, "features-unavailable", "The online store does not answer; try again.")
        return dict(zip(keys, found, strict=True))

    def _merged(self, rows: Sequence[Lacking], held: Mapping[Key, Held]) -> list[dict[str, Value]]:
        """Return the features of each row that the store gave, and missing values for those that it did not.

        Raises:
            Refused: a row needs one that the store does not have, or has in a form that the model does not take.
        """
        now = datetime.now(UTC)
        times = self._times(held)
        merged: list[dict[str, Value]] = []
        lacking: dict[Lack, list[Problem]] = {}
        for index, row in enumerate(rows):
            values: dict[str, Value] = {}
            for key, columns in row.wanted.items():
                for name in columns:
                    found = held[key].get(name, _NOTHING)
                    value, problem = self._judged(found, self._columns[name], now, times.get((name, found.value)))
                    self.counts[value.lack or "found"] += 1
                    values[name] = value
                    if problem is not None and value.lack is not None:
                        place = Problem(path=f"{KEY}[{index}].{name}", problem=problem)
                        lacking.setdefault(value.lack, []).append(place)
            merged.append(values)
        _refuse(lacking)
        return merged

    def _times(self, held: Mapping[Key, Held]) -> dict[tuple[str, Any], str]:
        """Return what is wrong with fetched texts that are to be times, by column and text."""
        found: dict[tuple[str, Any], str] = {}
        for name in (name for one in self.entities for name in one.features if self._columns[name].type == "datetime"):
            texts = {value.value for one in held.values() if isinstance((value := one.get(name, _NOTHING)).value, str)}
            found |= {(name, text): problem for text, problem in unfit(texts, self._columns[name]).items()}
        return found

    def _judged(self, found: Value, column: Column, now: datetime, time_: str | None) -> tuple[Value, str | None]:
        """Return a feature as it may be used, and why the row is refused if it may not.

        Args:
            time_: what is wrong with it as a time.
        """
        lack = found.lack or self._age(found, now)
        if lack is None and found.value is not None:
            problem = exact.value_problem(found.value, column) or time_
            return (found, None) if problem is None else (Value(lack=Lack.UNUSABLE), problem)
        if lack is Lack.UNUSABLE:
            return Value(lack=lack), "is not readable"
        empty = exact.value_problem(None, column) is None
        if lack is None and empty:
            return found, None
        lack = lack or Lack.MISSING
        return Value(lack=lack), None if self._nulls and empty else _WORDS[lack]

    def _age(self, found: Value, now: datetime) -> Lack | None:
        """Return what is wrong with the moment of a feature; one without a moment may be of any age."""
        if found.moment is None or found.moment - now > _AHEAD:
            return Lack.UNUSABLE
        return Lack.STALE if self._oldest is not None and now - found.moment > self._oldest else None


def _refuse(lacking: Mapping[Lack, Sequence[Problem]]) -> None:
    """Refuse a request whose rows lack features.

    Raises:
        Refused: they do.
    """
    if problems := lacking.get(Lack.UNUSABLE):
        message = "The online store holds features that the model does not take."
        raise Refused(503, "features-unusable", message, problems)
    if problems := [*lacking.get(Lack.MISSING, ()), *lacking.get(Lack.STALE, ())]:
        raise Refused(422, "features-missing", "The online store does not have all features of the entities.", problems)
