"""The script for bash, from version 3.2 on: no library of completions is needed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from cd4ml.commands.completion.words import Command, Flag, Value

# What completes values: by default bash offers files where nothing is found, which is switched off for numbers.
_SCRIPT: Final = """\
# bash completion of cd4ml. Written by `cd4ml completion bash`.
_cd4ml() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]}} words=
  COMPREPLY=()
  # `--option=value` arrives as three words.
  if [ "$cur" = "=" ]; then
    cur=
  elif [ "$prev" = "=" ] && [ "$COMP_CWORD" -ge 2 ]; then
    prev=${{COMP_WORDS[COMP_CWORD-2]}}
  fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    words={commands}
  else
    case "$command $prev" in
{values}
    esac
    case "$cur" in
      -*) case "$command" in
{options}
      esac ;;
      *) if [ -z "$words" ] && [ "$COMP_CWORD" -eq 2 ]; then case "$command" in
{second}
      esac; fi ;;
    esac
  fi
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  else
    COMPREPLY=($(compgen -f -- "$cur"))
    compopt -o filenames 2>/dev/null
  fi
}}
complete -F _cd4ml cd4ml
"""


def script(commands: Sequence[Command]) -> str:
    """Return the script."""
    return _SCRIPT.format(
        commands=shlex.quote(" ".join(["--help", "--version", *(command.name for command in commands)])),
        values="\n".join(line for command in commands for line in _values(command)),
        options="\n".join(
            f"        {command.name}) words={shlex.quote(' '.join(f'--{flag.name}' for flag in command.flags))} ;;"
            for command in commands
            if command.flags
        ),
        second="\n".join(
            f"        {command.name}) words={shlex.quote(' '.join(command.words))} ;;"
            for command in commands
            if command.words
        ),
    )


def _values(command: Command) -> Iterator[str]:
    """Yield a case for each option whose value is not the name of a file."""
    for flag in command.flags:
        if flag.words:
            yield f'      "{command.name} --{flag.name}") words={shlex.quote(_words(flag))} ;;'
        elif flag.value is Value.OTHER:
            yield f'      "{command.name} --{flag.name}") return ;;'


def _words(flag: Flag) -> str:
    """Return what may stand behind an option."""
    return " ".join(flag.words)
