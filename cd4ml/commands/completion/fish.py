"""The script for fish, with each option's sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cd4ml.commands.completion.words import Command, Flag, Value


def script(commands: Sequence[Command]) -> str:
    """Return the script."""
    lines = ["# fish completion of cd4ml. Written by `cd4ml completion fish`."]
    lines += [
        f"complete -c cd4ml -f -n __fish_use_subcommand -a {one.name} -d {_quoted(one.summary)}" for one in commands
    ]
    for command in commands:
        lines += _lines(command)
    return "\n".join(lines) + "\n"


def _lines(command: Command) -> Iterator[str]:
    """Yield what is completed behind a command."""
    behind = f"complete -c cd4ml -n '__fish_seen_subcommand_from {command.name}'"
    if command.words:
        yield f"{behind} -f -a {_quoted(' '.join(command.words))}"
    for flag in command.flags:
        yield f"{behind} -l {flag.name}{_value(flag)} -d {_quoted(flag.summary)}"


def _value(flag: Flag) -> str:
    """Return what may stand behind an option."""
    if flag.name == "help":
        return ""
    if flag.words:
        return f"{' -f' if flag.optional else ' -x'} -a {_quoted(' '.join(flag.words))}"
    return " -r -F" if flag.value is Value.FILE else " -x"


def _quoted(text: str) -> str:
    """Return a text as one word of fish."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
