"""Reading the values of options: from several sources, each as a person or a platform writes it."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from cd4ml.errors import OptionsError, RequiredOptionsError
from cd4ml.inputs.options import OTHERS, Kind, Limit, Option, Options, declared
from cd4ml.wording import names_place, nearest

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TIME: Final = re.compile(r"\d+:")  # what some readers of YAML take for minutes
_LONGEST_SHOWN: Final = 100
_CHARACTERS: Final = {"tab": "\t", "\\t": "\t", "space": " "}
OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One source of values: `origin` names it in messages, keys are option names in kebab-case.

    Attributes:
        lines: of a file that was read as YAML, the line that sets each option.
    """

    origin: str
    values: Mapping[str, Any]
    lines: Mapping[str, int] | None = None

    def place(self, name: str) -> str:
        """Return where an option is set."""
        line = (self.lines or {}).get(name)
        return f"{self.origin}:{line}" if line else self.origin


class _Required(ValueError):
    """Nobody set an option that is required."""


def resolve(options_class: type[OptionsT], layers: Sequence[Layer]) -> OptionsT:
    """Build the options from the layers, the first that sets an option winning.

    The empty string is unset (the platform cannot tell the two apart), and so is None.

    Raises:
        OptionsError: all values that cannot be read and all required options that nobody set.
    """
    problems: list[str] = []
    lacking: list[str] = []
    values: dict[str, Any] = {}
    for declared_option in declared(options_class):
        try:
            values[declared_option.field_name] = _first(declared_option, layers)
        except _Required as error:
            lacking.append(str(error))
            problems.append(str(error))
        except ValueError as error:
            problems.append(str(error))
    if lacking:
        raise RequiredOptionsError(problems, others=[problem for problem in problems if problem not in lacking])
    if problems:
        raise OptionsError(problems)
    return options_class(**values)


def _first(declared_option: Option, layers: Iterable[Layer]) -> Any:
    """Return the option's value from the first layer that sets it, else its default."""
    for layer in layers:
        raw = layer.values.get(declared_option.name)
        if raw is None or raw == "":
            continue
        try:
            if layer.lines is not None:
                _check_written(declared_option, raw)
            return parse(declared_option, raw)
        except ValueError as error:
            raise ValueError(f"{layer.place(declared_option.name)}: {declared_option.name}: {error}") from error
    if declared_option.required:
        raise _Required(
            f"{declared_option.name} is required ({declared_option.help.rstrip('.')}): "
            f"set it in cd4ml.yaml, as an action input or by --{declared_option.name}"
        )
    return declared_option.default


def parse(declared_option: Option, raw: Any) -> Any:
    """Read a value as it comes from a command line, an environment or a YAML file.

    Raises:
        ValueError: it is not of the option's kind.
    """
    text = _value if declared_option.of_data else _text
    readers: dict[Kind, Any] = {
        Kind.TEXT: text,
        Kind.CHARACTER: _character,
        Kind.INTEGER: _integer,
        Kind.NUMBER: number,
        Kind.BOOLEAN: _boolean,
        Kind.LIST: _list,
        Kind.NUMBERS: lambda value: {key: number(item) for key, item in _pairs(value)},
        Kind.TEXTS: lambda value: {key: text(item) for key, item in _pairs(value)},
        Kind.LIMIT: lambda value: _limit(value, declared_option.default),
    }
    if declared_option.kind is Kind.CHOICE:
        return _choice(declared_option, raw)
    return readers[declared_option.kind](raw)


def _check_written(declared_option: Option, raw: Any) -> None:
    """Refuse what is written in YAML as it is nowhere: names with their values are a mapping there.

    Raises:
        ValueError: it is neither a mapping nor a text as the command line takes it.
    """
    kind = declared_option.kind
    items = raw if isinstance(raw, list) else [raw]
    single = kind is Kind.LIMIT and not any(isinstance(item, Mapping | list | bool) for item in items)
    pairs = isinstance(raw, Mapping) or all(isinstance(item, str) and "=" in item for item in items)
    if kind not in (Kind.NUMBERS, Kind.TEXTS, Kind.LIMIT) or pairs or single:
        return
    number_or = "a number, or " if kind is Kind.LIMIT else ""
    raise ValueError(f"expected {number_or}a mapping such as {in_yaml(declared_option)}, got {_shown(raw)}")


def in_yaml(declared_option: Option) -> str:
    """Return the example of an option that names things and their values, as it is written in YAML."""
    pairs = [item.strip().rpartition("=") for item in (declared_option.example or "name=value").split(",")]
    words = {name or f'"{OTHERS}"': f'"{value}"' if _TIME.match(value) else value for name, _, value in pairs}
    return f"{{{', '.join(f'{name}: {value}' for name, value in words.items())}}}"


def _text(raw: Any) -> str:
    """Read a text; a YAML number is taken as it is written."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise ValueError(f"expected a text, got {_shown(raw)}")
    text = str(raw)
    if "\x00" in text:
        raise ValueError("must not contain a NUL character")
    if _SURROGATE.search(text):
        raise ValueError("must be UTF-8 (a byte of another encoding, or half of an escaped surrogate pair)")
    return text.strip()


def _character(raw: Any) -> str:
    """Read one character, or the word for one that cannot be written."""
    text = str(raw) if isinstance(raw, str) and len(raw) == 1 else _text(raw)
    found = _CHARACTERS.get(text.lower(), text)
    if len(found) != 1:
        raise ValueError(f"expected one character, or the word tab or space; got {raw!r}")
    return found


def _value(raw: Any) -> str:
    """Read a value of the data as a text; booleans are written as in Python."""
    return str(raw) if isinstance(raw, bool) else _text(raw)


def _integer(raw: Any) -> int:
    """Read a whole number."""
    try:
        if isinstance(raw, bool) or isinstance(raw, float):
            raise ValueError
        return int(str(raw).strip())
    except ValueError:
        raise ValueError(f"expected a whole number, got {_shown(raw)}") from None


def number(raw: Any) -> float:
    """Read a finite number.

    Raises:
        ValueError: it is not a finite number.
    """
    try:
        if isinstance(raw, bool):
            raise ValueError
        value = float(str(raw).strip())
    except ValueError:
        raise ValueError(f"expected a number, got {_shown(raw)}") from None
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {_shown(raw)}")
    return value


def _shown(raw: Any) -> str:
    """Return a value as a message shows it."""
    text = str(raw).lower() if isinstance(raw, bool) else repr(raw)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}… ({len(text):,} characters)"


def _boolean(raw: Any) -> bool:
    """Read true or false, and nothing else: `yes`, `1` and `on` are mistakes more often than not."""
    text = str(raw).strip().lower()
    if text not in ("true", "false"):
        raise ValueError(f"expected true or false, got {_shown(raw)}")
    return text == "true"


def _choice(declared_option: Option, raw: Any) -> str:
    """Read one of the words that the option allows."""
    text = str(raw).strip()
    if text not in declared_option.choices:
        allowed = ", ".join(declared_option.choices)
        raise ValueError(f"expected one of {allowed}; got {raw!r}{nearest(text, declared_option.choices)}")
    return next(choice for choice in declared_option.choices if choice == text)


def _list(raw: Any) -> tuple[str, ...]:
    """Read a list: a YAML list, or texts with newlines or commas between the items."""
    # An item of a YAML list is taken whole; only the texts of the command line and of the platform are split.
    items = [_text(item) for item in raw] if isinstance(raw, list) else _text(raw).replace(",", "\n").split("\n")
    return tuple(item.strip() for item in items if item.strip())


def _pairs(raw: Any) -> list[tuple[str, Any]]:
    """Read `name=value` pairs: a YAML mapping, or texts."""
    if isinstance(raw, Mapping):
        return [(_text(key), value) for key, value in raw.items()]
    pairs: list[tuple[str, Any]] = []
    for item in _list(raw):
        name, separator, value = item.partition("=")
        if not separator or not name.strip() or not value.strip():
            raise ValueError(f"expected name=value, got {item!r}")
        pairs.append((name.strip(), value.strip()))
    names = [name for name, _ in pairs]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"given more than once: {', '.join(repeated)}")
    return pairs


def _limit(raw: Any, default: Limit | None) -> Limit:
    """Read a limit: a number for all, `name=number` pairs, or both; without a number the others keep their default."""
    if isinstance(raw, Mapping):
        pairs = _pairs(raw)
    else:
        items = raw if isinstance(raw, list) else [raw] if not isinstance(raw, str) else list(_list(raw))
        pairs = _pairs([item if "=" in str(item) else f"{OTHERS}={item}" for item in items])
    own = {name: number(value) for name, value in pairs}
    others = own.pop(OTHERS, default.others if default else None)
    return Limit(others=others, own=own)


def as_values(options: Options) -> dict[str, Any]:
    """Return the options as plain values by their outside names, for reports; none of them is a secret."""
    values = {}
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, Mapping):
            value = dict(value)
        elif isinstance(value, Limit):
            value = dict(value.values) if value.own else value.others
        elif isinstance(value, str):
            hidden = field.metadata.get("secret_place") and not names_place(value)
            value = "***" if hidden else str(value)
        values[field.name.replace("_", "-")] = value
    return values
