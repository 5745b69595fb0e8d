"""`cd4ml completion`: a script by which a shell completes commands, options and their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from cd4ml.commands import COMMANDS
from cd4ml.commands.completion import bash, fish, zsh
from cd4ml.commands.completion.words import Command, commands
from cd4ml.commands.door import Door
from cd4ml.errors import PASSED, OptionsError
from cd4ml.published import page
from cd4ml.wording import nearest

SHELLS: Final[Mapping[str, Callable[[Sequence[Command]], str]]] = {
    "bash": bash.script,
    "zsh": zsh.script,
    "fish": fish.script,
}


def run(arguments: Sequence[str], door: Door) -> int:
    """Print the script of a shell.

    Raises:
        OptionsError: no shell is named, or one that there is no script for.
    """
    if arguments and arguments[0] in ("-h", "--help"):
        print(_help(), file=door.stdout)
        return PASSED.code
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        known = nearest(arguments[0], SHELLS) if arguments else ""
        raise OptionsError(f"name one shell: {', '.join(SHELLS)}{known}", advice="See cd4ml help completion.")
    print(SHELLS[arguments[0]](commands()), end="", file=door.stdout)
    return PASSED.code


def _help() -> str:
    """Return how the scripts are used."""
    lines = [
        f"usage: cd4ml completion {'|'.join(SHELLS)}",
        "",
        COMMANDS["completion"].summary,
        "",
        "bash: add to ~/.bashrc",
        "  source <(cd4ml completion bash)",
        "zsh: add to ~/.zshrc, after compinit",
        "  source <(cd4ml completion zsh)",
        "fish: run once",
        "  cd4ml completion fish > ~/.config/fish/completions/cd4ml.fish",
        "",
        f"more: {page(COMMANDS['completion'].page)}",
    ]
    return "\n".join(lines)
