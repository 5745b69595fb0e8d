"""What can be completed: every command, its options and their values, as they are declared."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from cd4ml.commands import COMMANDS
from cd4ml.inputs.options import Kind, Option, Options, declared
from cd4ml.inputs.vocabulary import RunOptions
from cd4ml.stages import PIPELINE, STAGES, declaration

# Options whose values are names of stages -> which.
_STAGE_LISTS: Final[Mapping[str, Sequence[str]]] = {
    "stages": PIPELINE,
    "planned": PIPELINE,
    "required-stages": tuple(STAGES),
}
_NUMBERS: Final = (Kind.INTEGER, Kind.NUMBER, Kind.NUMBERS, Kind.LIMIT, Kind.CHARACTER)


class Value(Enum):
    """What stands behind an option."""

    FILE = "a text, which may be the name of a file"
    WORD = "one of a few words"
    OTHER = "what no shell can know, such as a number"


@dataclass(frozen=True, kw_only=True)
class Flag:
    """An option as a shell completes it.

    Attributes:
        words: what its value may be, where that is one of a few words.
        optional: whether it may stand without a value.
    """

    name: str
    summary: str
    value: Value
    words: Sequence[str] = ()
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command as a shell completes it.

    Attributes:
        words: what may stand right behind it.
    """

    name: str
    summary: str
    flags: Sequence[Flag] = ()
    words: Sequence[str] = field(default=())


def commands() -> list[Command]:
    """Return every stage and every other command."""
    stages = [
        Command(name=name, summary=info.summary, flags=_flags(declaration(name).Options, RunOptions))
        for name, info in STAGES.items()
    ]
    others = [
        Command(name=name, summary=command.summary, flags=_flags(*_options(name)), words=command.words)
        for name, command in COMMANDS.items()
    ]
    every = [*stages, *others]
    overview = Command(
        name="help", summary="Show what there is, or the options of a command.", words=[one.name for one in every]
    )
    return [*every, overview]


def _options(name: str) -> list[type[Options]]:
    """Return the options that a command's module declares; where it declares several, the last are its own."""
    module = importlib.import_module(f"cd4ml.commands.{COMMANDS[name].module}")
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Options) and value.__module__ == module.__name__
    ]
    return own[-1:]


def _flags(*classes: type[Options]) -> list[Flag]:
    """Return the options of classes."""
    flags = [_flag(option) for options in classes for option in declared(options)]
    return [*flags, Flag(name="help", summary="Show its options.", value=Value.WORD, optional=True)]


def _flag(option: Option) -> Flag:
    """Return an option as a shell completes it."""
    summary = re.split(r"(?<=[.;:]) ", option.help, maxsplit=1)[0].rstrip(".;:")
    if option.kind is Kind.BOOLEAN:
        return Flag(name=option.name, summary=summary, value=Value.WORD, words=("true", "false"), optional=True)
    words = _STAGE_LISTS.get(option.name, option.choices)
    if words:
        return Flag(name=option.name, summary=summary, value=Value.WORD, words=tuple(words))
    value = Value.OTHER if option.kind in _NUMBERS else Value.FILE
    return Flag(name=option.name, summary=summary, value=value)
