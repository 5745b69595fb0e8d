"""What the help of a command says beside its options; light, since the overview of all commands loads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class HelpText:
    """What the help of a command says.

    Attributes:
        summary: one sentence, which the overview of all commands shows too.
        example: arguments that work in a project like that of the documentation.
        page: its page in `docs/`.
    """

    summary: str
    example: str = ""
    page: str = ""
