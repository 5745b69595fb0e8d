"""The tables of the documentation: stages, options, outputs and exit codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cd4ml.errors import EXIT_CODES
from cd4ml.inputs.model_card import ModelCardFields
from cd4ml.inputs.options import Kind, Option, declared, grouped
from cd4ml.inputs.vocabulary import RunOptions
from cd4ml.render.model_card.structure import ANNEX_IV, FIELDS, Need
from cd4ml.stages import STAGES, declaration
from generators.marked import with_part
from generators.options import OUTPUTS, default

_KINDS: Final = {
    Kind.TEXT: "text",
    Kind.CHARACTER: "character",
    Kind.INTEGER: "whole number",
    Kind.NUMBER: "number",
    Kind.BOOLEAN: "true \\| false",
    Kind.LIST: "list",
    Kind.NUMBERS: "name=number, …",
    Kind.TEXTS: "name=text, …",
    Kind.LIMIT: "number, or name=number, …",
}


_NEEDS: Final = {Need.ALWAYS: "always", Need.HIGH_RISK: "if high-risk", Need.NEVER: ""}


def reference(text: str) -> str:
    """Return the page of reference with its tables."""
    tables = {
        "stages": _stages(),
        "inputs": _options(declared(RunOptions)),
        "outputs": _outputs(),
        "exit-codes": _exit_codes(),
    }
    for marker, table in tables.items():
        text = with_part(text, marker, table, where="docs/reference.md")
    return text


def stage_page(text: str, stage: str) -> str:
    """Return a stage's page with its table of options."""
    table = _options(declared(declaration(stage).Options))
    return with_part(text, "options", table, where=f"docs/stages/{stage}.md")


def model_card_page(text: str) -> str:
    """Return the page of the model card with its table of fields."""
    lines = ["| field | kind | required | what it says | Annex IV |", "|---|---|---|---|---|"]
    for option in declared(ModelCardFields):
        points = ", ".join(point.number for point in ANNEX_IV if option.name in point.fields)
        example = f" E.g. `{option.example}`." if option.example else ""
        need = _NEEDS[FIELDS[option.name].need]
        lines.append(f"| `{option.name}` | {_KINDS[option.kind]} | {need} | {option.help}{example} | {points} |")
    return with_part(text, "fields", "\n".join(lines), where="docs/model-card.md")


def _options(options: Sequence[Option]) -> str:
    """Return a Markdown table of options for each group, under its name where there are several."""
    groups = grouped(options)
    if len(groups) == 1:
        return _table(options)
    return "\n\n".join(f"**{group}**\n\n{_table(members)}" for group, members in groups.items())


def _table(options: Sequence[Option]) -> str:
    """Return a Markdown table of options."""
    lines = ["| option | kind | default | what it sets |", "|---|---|---|---|"]
    for option in options:
        kind = " \\| ".join(option.choices) if option.kind is Kind.CHOICE else _KINDS[option.kind]
        value = "**required**" if option.required else f"`{default(option)}`" if default(option) else ""
        example = f" E.g. `{option.example}`." if option.example else ""
        lines.append(f"| `{option.name}` | {kind} | {value} | {option.help}{example} |")
    return "\n".join(lines)


def _stages() -> str:
    """Return the table of stages."""
    lines = ["| stage | it passes only if |", "|---|---|"]
    for name, info in STAGES.items():
        lines.append(f"| [{name}](stages/{name}.md) | {info.summary} |")
    return "\n".join(lines)


def _outputs() -> str:
    """Return the table of outputs."""
    lines = ["| output | of | what it holds |", "|---|---|---|"]
    lines += [f"| `{name}` | every stage | {meaning} |" for name, meaning in OUTPUTS.items()]
    for stage in STAGES:
        lines += [f"| `{name}` | {stage} | {meaning} |" for name, meaning in declaration(stage).OUTPUTS.items()]
    return "\n".join(lines)


def _exit_codes() -> str:
    """Return the table of exit codes."""
    lines = ["| code | name | meaning |", "|---:|---|---|"]
    lines += [f"| {code.code} | {code.name} | {code.meaning} |" for code in EXIT_CODES]
    return "\n".join(lines)
