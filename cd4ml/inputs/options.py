"""One declaration of a stage's inputs.

A stage writes a frozen dataclass whose fields are made by `option`. The command line, the environment, `cd4ml.yaml`,
`action.yml`, the documentation and the JSON Schema are all derived from it, under one spelling: `minimum-rows`
everywhere outside Python, `minimum_rows` inside.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final

from cd4ml.wording import nearest

_UNSET: Final = dataclasses.MISSING


class Kind(Enum):
    """How the value of an option is written."""

    TEXT = "text"
    CHARACTER = "character"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    LIST = "list"
    NUMBERS = "numbers"
    TEXTS = "texts"
    LIMIT = "limit"


class Group(StrEnum):
    """What an option is about. Help and documentation show the options of a group together, and the groups in order."""

    INPUT = "Input"
    MODEL = "Model and registry"
    IMAGE = "Image"
    SCAN = "Scan"
    DELIVERY = "Delivery"
    LIMITS = "Limits"
    DECISION = "Decision"
    SLICES = "Slices and groups"
    METRICS = "Metrics"
    OUTPUT = "Output"
    CSV = "CSV files"
    ADVANCED = "Advanced"
    NONE = "Options"
    COMMON = "Common options"


# Stands for all names without a limit of their own.
OTHERS: Final = "*"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit, and those of single names (features, for example) that have one of their own.

    Attributes:
        others: of all names that are not in `own`; None sets none.
    """

    others: float | None
    own: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def of(self, name: str) -> float | None:
        """Return the limit of a name."""
        return self.own.get(name, self.others)

    @property
    def values(self) -> Mapping[str, float]:
        """Every limit that is set, by name; that of all others under `*`."""
        return {**({} if self.others is None else {OTHERS: self.others}), **self.own}

    def __str__(self) -> str:
        """Return the limits as people write them."""
        others = [] if self.others is None else [f"{self.others:g}"]
        return ", ".join([*others, *(f"{name}={value:g}" for name, value in self.own.items())])


class Character(str):
    """One character; `tab` and `space`, which no platform hands over as they are, are written as words."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """A declared option, as generators and parsers see it."""

    field_name: str
    kind: Kind
    help: str
    required: bool
    default: Any
    choices: tuple[str, ...]
    example: str
    in_config: bool
    of_data: bool = False
    formerly: str = ""
    group: Group = Group.NONE

    @property
    def name(self) -> str:
        """The one spelling outside Python."""
        return self.field_name.replace("_", "-")


def option(
    help: str,
    *,
    default: Any = _UNSET,
    required: bool = False,
    example: str = "",
    in_config: bool = True,
    last: bool = False,
    of_data: bool = False,
    secret_place: bool = False,
    formerly: str = "",
    choices: tuple[str, ...] = (),
    group: Group = Group.NONE,
) -> Any:
    """Declare an option.

    Args:
        help: one sentence; the documentation and `--help` show it as it stands.
        default: value if nobody sets it; without one the option is None (or empty, for lists and mappings).
        required: a run without it is refused with exit code 2.
        example: a value to show in the documentation.
        in_config: whether `cd4ml.yaml` may set it.
        last: whether it stands behind the options of the classes that inherit it.
        of_data: whether its texts are values of the data: then YAML's true and false are such, and no mistake.
        secret_place: whether it says where a secret is kept: then reports show no other value, which may be the secret.
        formerly: its name in an earlier version, which messages then translate.
        choices: the texts that are allowed, where no StrEnum lists them.
        group: what it is about; every option of a stage says so.
    """
    metadata = {
        "help": help,
        "required": required,
        "example": example,
        "in_config": in_config,
        "last": last,
        "of_data": of_data,
        "secret_place": secret_place,
        "formerly": formerly,
        "choices": choices,
        "group": group,
    }
    return dataclasses.field(default=None if default is _UNSET else default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of every stage's options."""


def declared(options_class: type[Options]) -> tuple[Option, ...]:
    """Return the options of a class in the order of their declaration, those that several stages share last.

    Raises:
        TypeError: a field has a type that no parser and no generator knows.
    """
    hints = typing.get_type_hints(options_class)
    result = []
    for field in sorted(dataclasses.fields(options_class), key=lambda field: bool(field.metadata["last"])):
        kind, choices = _kind(hints[field.name], f"{options_class.__name__}.{field.name}")
        if field.metadata["choices"]:
            kind, choices = Kind.CHOICE, field.metadata["choices"]
        result.append(
            Option(
                field_name=field.name,
                kind=kind,
                help=field.metadata["help"],
                required=field.metadata["required"],
                default=(
                    _empty(kind) if field.default is None and not _may_be_none(hints[field.name]) else field.default
                ),
                choices=choices,
                example=field.metadata["example"],
                in_config=field.metadata["in_config"],
                of_data=field.metadata["of_data"],
                formerly=field.metadata["formerly"],
                group=field.metadata["group"],
            )
        )
    return tuple(result)


def grouped(options: Iterable[Option]) -> dict[Group, list[Option]]:
    """Return options by group, both in the order in which they are shown."""
    given = list(options)
    by_group = {group: [option for option in given if option.group is group] for group in Group}
    return {group: members for group, members in by_group.items() if members}


def suggestion(word: str, options: Iterable[Option], *, prefix: str = "") -> str:
    """Return ` (did you mean …?)` for an unknown option: its new name if it was renamed, else the nearest one.

    Args:
        prefix: what stands before the names where the word was read.
    """
    renamed = {prefix + option.formerly: option.name for option in options if option.formerly}
    known = renamed.get(word)
    return (
        nearest(word, [prefix + option.name for option in options])
        if known is None
        else f" (did you mean `{prefix}{known}`?)"
    )


def _kind(hint: Any, where: str) -> tuple[Kind, tuple[str, ...]]:
    """Return the kind of a type annotation, and its choices."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        members = [member for member in typing.get_args(hint) if member is not types.NoneType]
        if len(members) == 1:
            return _kind(members[0], where)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Kind.CHOICE, tuple(hint)
    simple = {bool: Kind.BOOLEAN, int: Kind.INTEGER, float: Kind.NUMBER, str: Kind.TEXT}
    simple |= {Limit: Kind.LIMIT, Character: Kind.CHARACTER}
    if hint in simple:
        return simple[hint], ()
    compound = {
        tuple[str, ...]: Kind.LIST,
        Mapping[str, float]: Kind.NUMBERS,
        Mapping[str, str]: Kind.TEXTS,
    }
    if hint in compound:
        return compound[hint], ()
    raise TypeError(f"{where}: options of type {hint} are not supported")


def _may_be_none(hint: Any) -> bool:
    """Whether an option that nobody set is None, which for a list is another thing than an empty one."""
    return types.NoneType in typing.get_args(hint)


def _empty(kind: Kind) -> Any:
    """Return the value of an option that nobody set and that has no default."""
    return {Kind.LIST: (), Kind.NUMBERS: {}, Kind.TEXTS: {}}.get(kind)
