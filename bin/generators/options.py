"""How an option is told to people: its sentence, its default, and what every stage puts out."""

from __future__ import annotations

from typing import Final

from cd4ml.inputs.options import Option

OUTPUTS: Final = {
    "status": "The verdict: passed, failed, inconclusive, error or skipped. Only `passed` lets a change through.",
    "passed": "`true` if the verdict is passed, else `false`.",
    "warned": "`true` if the verdict is not passed, but `on-failed` or `on-inconclusive` says that it only warns.",
    "report": "Path of the JSON report.",
}


def described(option: Option) -> str:
    """Return an option's sentence, with what it is set to if nobody sets it."""
    text = option.help
    if option.required:
        return f"{text} Required, here or in cd4ml.yaml."
    return f"{text} Default: `{default(option)}`." if default(option) else text


def default(option: Option) -> str:
    """Return an option's default as people write it, empty if there is none."""
    if option.default in (None, (), {}, ""):
        return ""
    if isinstance(option.default, tuple):
        return ", ".join(option.default)
    return str(option.default).lower() if isinstance(option.default, bool) else str(option.default)
