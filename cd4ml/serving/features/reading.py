"""Reading of `{"entities": [{…}, …]}`: in each object the entities' keys, and those columns that are not fetched.

A feature that an object gives is not fetched: what a request says wins. An entity all of whose features are given need
not be named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.serving.features.entities import Entity
from cd4ml.serving.features.held import Key
from cd4ml.serving.reading import exact
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.signature import Column

KEY: Final = "entities"
_SHOWN_NAMES: Final = 50
# So many problems are looked for; fewer are shown.
_MOST_PROBLEMS: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Lacking:
    """A row that lacks features.

    Attributes:
        given: columns that the request gives.
        wanted: the columns to be fetched, by the entity that has them.
    """

    given: dict[str, Any]
    wanted: dict[Key, list[str]]


class Reader:
    """Reads the objects of requests for a model's columns."""

    def __init__(self, entities: Sequence[Entity], columns: Sequence[Column]) -> None:
        self._entities, self._columns = entities, {column.name: column for column in columns}
        self._fetched = {column for entity in entities for column in entity.features}
        self._known = {*self._columns, *(entity.name for entity in entities)}

    def read(self, objects: Sequence[dict[str, Any]]) -> list[Lacking]:
        """Return the rows of a request.

        Raises:
            Refused: 422; they do not fit the model's columns or the entities.
        """
        problems: list[Problem] = []
        for index, one in enumerate(objects):
            problems += self._problems(one, f"{KEY}[{index}]")
            if len(problems) > _MOST_PROBLEMS:
                break
        if problems:
            raise Refused(422, "rows-do-not-fit", "The rows do not fit the model's columns and entities.", problems)
        return [self._lacking(one) for one in objects]

    def _problems(self, one: dict[str, Any], path: str) -> Iterator[Problem]:
        """Yield what is wrong with an object."""
        if unknown := len(one.keys() - self._known):
            known = ", ".join(sorted(self._known)[:_SHOWN_NAMES])
            yield Problem(path=path, problem=f"has {unknown} unknown key(s); known are: {known}")
        for column in self._columns.values():
            text = self._column_problem(one, column)
            if text:
                yield Problem(path=f"{path}.{column.name}", problem=text)
        for entity in self._entities:
            text = _entity_problem(one, entity)
            if text:
                yield Problem(path=f"{path}.{entity.name}", problem=text)

    def _column_problem(self, one: dict[str, Any], column: Column) -> str | None:
        """Return what is wrong with the value of a column, None if it fits or will be fetched."""
        if column.name in one:
            return exact.value_problem(one[column.name], column)
        return "is missing" if column.required and column.name not in self._fetched else None

    def _lacking(self, one: dict[str, Any]) -> Lacking:
        """Return an object as a row."""
        wanted = {}
        for place, entity in enumerate(self._entities):
            if columns := [name for name in entity.features if name not in one]:
                wanted[Key(place, entity.plain(one[entity.name]))] = columns
        given = {name: value for name, value in one.items() if name in self._columns}
        return Lacking(given=given, wanted=wanted)


def _entity_problem(one: dict[str, Any], entity: Entity) -> str | None:
    """Return what is wrong with the key of an entity, None if it names one or is not needed."""
    if entity.name in one:
        return entity.problem(one[entity.name])
    lacking = [name for name in entity.features if name not in one]
    return f"is missing; by it are fetched: {', '.join(lacking[:_SHOWN_NAMES])}" if lacking else None
