"""Options from command-line arguments and from environment variables, still as texts."""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn

from cd4ml.errors import OptionsError
from cd4ml.inputs.help_text import HelpText
from cd4ml.inputs.options import Group, Kind, Option, grouped, suggestion
from cd4ml.inputs.values import Layer, parse
from cd4ml.published import page

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
_WORD: Final = re.compile(r"\w[\w@+=:,./-]*")


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of exiting, so that a report is written for bad options too."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as a bad option."""
        raise OptionsError(message, advice=f"See {self.prog.replace('cd4ml', 'cd4ml help', 1)}.")


def parser(name: str, options: Sequence[Option], about: HelpText) -> argparse.ArgumentParser:
    """Return the parser of a command; every value stays text here and is read by `values.resolve`."""
    result = _Parser(
        prog=f"cd4ml {name}",
        usage=_usage(name, options),
        description="\n".join(textwrap.wrap(about.summary, _width())),
        epilog=_epilog(name, about),
        formatter_class=_Formatter,
        add_help=False,
        allow_abbrev=False,
    )
    groups = grouped(options)
    for group in dict.fromkeys([*groups, Group.COMMON]):
        section = result.add_argument_group(group)
        for option in groups.get(group, ()):
            section.add_argument(f"--{option.name}", **_read_as(option))
        if group is Group.COMMON:
            section.add_argument("-h", "--help", action="help", help="Show this text.")
    return result


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """As wide as the terminal; names and what they set side by side, as far as there is room."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=min(34, _width() // 3), width=_width())

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Return the lines of an option's sentences; names are not cut at their hyphens."""
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def _width() -> int:
    """Return how wide a line may be."""
    return max(40, shutil.get_terminal_size().columns - 2)


def _usage(name: str, options: Iterable[Option]) -> str:
    """Return the first line of the help: what must be given, and that there is more."""
    required = [f"--{option.name} {_metavar(option)}" for option in options if option.required]
    return " ".join(["cd4ml", name, *required, "[options]"])


def _epilog(name: str, about: HelpText) -> str:
    """Return the end of the help: an example, and where there is more to read."""
    lines = [f"example:\n  cd4ml {name} {about.example}"] if about.example else []
    lines += [f"more: {page(about.page)}"] if about.page else []
    return "\n\n".join(lines)


def _read_as(option: Option) -> dict[str, Any]:
    """Return how an option is read from the command line."""
    arguments: dict[str, Any] = {
        "dest": option.name,
        "default": None,
        "help": _option_help(option),
        "metavar": _metavar(option),
    }
    if option.kind is Kind.BOOLEAN:
        arguments |= {"nargs": "?", "const": "true"}
    elif option.kind in _REPEATED:
        arguments["action"] = "append"
    return arguments


def _metavar(option: Option) -> str:
    """Return what stands for an option's value."""
    if option.kind is Kind.CHOICE:
        return "|".join(option.choices)
    return "true|false" if option.kind is Kind.BOOLEAN else _REPEATED.get(option.kind, option.kind.name)


def _option_help(option: Option) -> str:
    """Return an option's sentences, with an example and what it is set to if nobody sets it."""
    parts = [option.help]
    if option.example:
        parts.append(f"E.g. {_as_typed(option.example)}.")
    if option.required:
        parts.append("Required.")
    elif option.default not in (None, (), {}, "") and option.default is not False:
        default = option.default
        parts.append(f"Default: {','.join(default) if isinstance(default, tuple) else default}")
    return " ".join(parts).replace("%", "%%")


def _as_typed(example: str) -> str:
    """Return an example as a shell takes it; what is no plain word stands in quotes."""
    return example if _WORD.fullmatch(example) else f"'{example}'"


def _from_arguments(name: str, options: Sequence[Option], arguments: Sequence[str], about: HelpText) -> Layer:
    """Return the command line's values; repeated lists are joined as the platform writes them."""
    found, unknown = parser(name, options, about).parse_known_args(arguments)
    if unknown:
        word = unknown[0].partition("=")[0]
        if not word.startswith("-"):
            meant = " (did you mean `--stages`?)" if any(one.name == "stages" for one in options) else ""
            advice = f"Options take one value each: --name value. See cd4ml help {name}."
            raise OptionsError(f"`{word}` belongs to no option{meant}", advice=advice)
        known = suggestion(word, options, prefix="--")
        raise OptionsError(f"unknown option `{word}`{known}", advice=f"See cd4ml help {name}.")
    parsed = vars(found)
    joined = {key: "\n".join(value) if isinstance(value, list) else value for key, value in parsed.items()}
    return Layer(origin="command line", values=joined)


def _from_environ(environ: Mapping[str, str], prefix: str, options: Sequence[Option], origin: str) -> Layer:
    """Return the values that environment variables of a prefix set."""
    names = {option.name: prefix + option.field_name.upper() for option in options}
    return Layer(origin=origin, values={name: environ.get(variable) for name, variable in names.items()})


def layers(
    name: str, options: Sequence[Option], arguments: Sequence[str], environ: Mapping[str, str], about: HelpText
) -> list[Layer]:
    """Return the values from arguments, from the action's inputs and from the environment, in this precedence.

    Raises:
        OptionsError: an option is unknown, or a variable sets one under the name that it had in an earlier version.
    """
    given = [
        _from_arguments(name, options, arguments, about),
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
