"""The script for zsh: a function for `compdef`, with each option's sentence."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from cd4ml.commands.completion.words import Command, Flag, Value

_SCRIPT: Final = """\
#compdef cd4ml
# zsh completion of cd4ml. Written by `cd4ml completion zsh`.
_cd4ml() {{
  local -a commands
  commands=(
{commands}
  )
  if (( CURRENT == 2 )); then
    _describe -t commands command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{cases}
  esac
}}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _cd4ml "$@"
else
  compdef _cd4ml cd4ml
fi
"""


def script(commands: Sequence[Command]) -> str:
    """Return the script."""
    return _SCRIPT.format(
        commands="\n".join(f"    {shlex.quote(f'{one.name}:{_plain(one.summary)}')}" for one in commands),
        cases="\n".join(f"    {one.name}) _arguments {' '.join(_arguments(one))} ;;" for one in commands),
    )


def _arguments(command: Command) -> Iterator[str]:
    """Yield what `_arguments` is told of a command."""
    for flag in command.flags:
        yield shlex.quote(f"*--{flag.name}{_form(flag)}[{_plain(flag.summary)}]{_value(flag)}")
    yield shlex.quote(f"1:word:({' '.join(command.words)})" if command.words else "*:file:_files")


def _form(flag: Flag) -> str:
    """Return how a value is joined to its option: `--option=value`, or behind a space where there must be one."""
    if flag.name == "help":
        return ""
    return "=-" if flag.optional else "="


def _value(flag: Flag) -> str:
    """Return what may stand behind an option."""
    if flag.name == "help":
        return ""
    shown = "::" if flag.optional else ":"
    if flag.words:
        return f"{shown}{flag.name}:({' '.join(flag.words)})"
    return f"{shown}{flag.name}:{'_files' if flag.value is Value.FILE else ' '}"


def _plain(text: str) -> str:
    """Return a sentence without what `_arguments` and `_describe` take for their own."""
    return text.replace("\\", "").replace("[", "(").replace("]", ")").replace(":", "\\:")
