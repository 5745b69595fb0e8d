"""Options from command-line arguments and from environment variables, still as texts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn

from cd4ml.errors import OptionsError
from cd4ml.inputs.options import Kind, Option, suggestion
from cd4ml.inputs.values import Layer, parse

# An action's inputs arrive as CD4ML_INPUT_<NAME>; the caller's own environment may set CD4ML_<NAME>.
INPUT_PREFIX: Final = "CD4ML_INPUT_"
ENVIRONMENT_PREFIX: Final = "CD4ML_"
# Options that may be given several times -> what an item of them is called.
_REPEATED: Final = {
    Kind.LIST: "ITEM",
    Kind.NUMBERS: "NAME=VALUE",
    Kind.TEXTS: "NAME=VALUE",
    Kind.LIMIT: "NUMBER|NAME=NUMBER",
}


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of exiting, so that a report is written for bad options too."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as a bad option."""
        raise OptionsError(message, advice=f"See {self.prog} --help.")


def parser(name: str, options: Sequence[Option], description: str) -> argparse.ArgumentParser:
    """Return the parser of a command; every value stays text here and is read by `values.resolve`."""
    result = _Parser(prog=f"cd4ml {name}", description=description, allow_abbrev=False)
    for option in options:
        arguments: dict[str, Any] = {"dest": option.name, "default": None, "help": _option_help(option)}
        if option.kind is Kind.BOOLEAN:
            arguments |= {"nargs": "?", "const": "true", "metavar": "true|false"}
        elif option.kind is Kind.CHOICE:
            arguments |= {"metavar": "|".join(option.choices)}
        elif option.kind in _REPEATED:
            metavar = _REPEATED[option.kind]
            arguments |= {"action": "append", "metavar": metavar}
        else:
            arguments |= {"metavar": option.kind.name}
        result.add_argument(f"--{option.name}", **arguments)
    return result


def _option_help(option: Option) -> str:
    """Return an option's sentence with its default."""
    shown = option.help.replace("%", "%%")
    if option.required:
        return f"{shown} Required."
    default = option.default
    if default in (None, (), {}, ""):
        return shown
    text = (
        ",".join(default)
        if isinstance(default, tuple)
        else str(default).lower() if isinstance(default, bool) else default
    )
    return f"{shown} Default: {text}"


def _from_arguments(name: str, options: Sequence[Option], arguments: Sequence[str], description: str) -> Layer:
    """Return the command line's values; repeated lists are joined as the platform writes them."""
    found, unknown = parser(name, options, description).parse_known_args(arguments)
    if unknown:
        word = unknown[0].partition("=")[0]
        known = suggestion(word, options, prefix="--")
        raise OptionsError(f"unknown option `{word}`{known}", advice=f"See cd4ml {name} --help.")
    parsed = vars(found)
    joined = {key: "\n".join(value) if isinstance(value, list) else value for key, value in parsed.items()}
    return Layer(origin="command line", values=joined)


def _from_environ(environ: Mapping[str, str], prefix: str, options: Sequence[Option], origin: str) -> Layer:
    """Return the values that environment variables of a prefix set."""
    names = {option.name: prefix + option.field_name.upper() for option in options}
    return Layer(origin=origin, values={name: environ.get(variable) for name, variable in names.items()})


def layers(
    name: str, options: Sequence[Option], arguments: Sequence[str], environ: Mapping[str, str], description: str
) -> list[Layer]:
    """Return the values from arguments, from the action's inputs and from the environment, in this precedence.

    Raises:
        OptionsError: an option is unknown, or a variable sets one under the name that it had in an earlier version.
    """
    given = [
        _from_arguments(name, options, arguments, description),
        _from_environ(environ, INPUT_PREFIX, options, "input"),
        _from_environ(environ, ENVIRONMENT_PREFIX, options, "environment"),
    ]
    problems = list(_old_names(given, options, environ))
    if problems:
        raise OptionsError(problems)
    return given


def _old_names(given: Sequence[Layer], options: Sequence[Option], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a problem for each variable that sets an option by its old name: a limit is never dropped in silence."""
    for option in options:
        if not option.formerly or any(layer.values.get(option.name) for layer in given):
            continue
        for prefix in (INPUT_PREFIX, ENVIRONMENT_PREFIX):
            old, new = (prefix + word.replace("-", "_").upper() for word in (option.formerly, option.name))
            value = environ.get(old)
            # A variable of the environment may be meant for another stage, which takes an option of that name.
            if value and (prefix == INPUT_PREFIX or _fits(option, value)):
                yield f"{old}: the option `{option.formerly}` is now `{option.name}`; set {new}"


def _fits(option: Option, value: str) -> bool:
    """Whether an option could be given a value."""
    try:
        parse(option, value)
    except ValueError:
        return False
    return True
