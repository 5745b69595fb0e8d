"""`cd4ml report --model-card`: what the reports of a run prove of a model, beside what cd4ml.yaml says of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import cd4ml
from cd4ml.commands.door import Door
from cd4ml.commands.project import read_config
from cd4ml.errors import FAILED, PASSED, ExitCode, OptionsError
from cd4ml.github import runtime
from cd4ml.inputs.model_card import SECTION, ModelCardFields
from cd4ml.inputs.options import declared
from cd4ml.inputs.values import Layer, as_values, resolve
from cd4ml.render.model_card.card import Card, Value
from cd4ml.render.model_card.document import is_ours
from cd4ml.render.model_card.document import text as json_text
from cd4ml.render.model_card.markdown import GENERATOR, markdown
from cd4ml.render.numbers import plural
from cd4ml.render.pipeline_run import Run
from cd4ml.wording import safe
from cd4ml.writing import result, write_together

NAME: Final = "model-card.md"
_LARGEST: Final = 64_000_000


def places(target: str, environ: Mapping[str, str]) -> tuple[Path, Path]:
    """Return where the card goes as Markdown and as JSON.

    Raises:
        OptionsError: it may not be written there.
    """
    path = result("output", target, environ, endings=(".md",), ours=_is_card)
    beside = str(Path(target).with_suffix(".json"))
    return path, result("output", beside, environ, endings=(".json",), ours=_is_document)


def stated(path: str, *, explicit: bool) -> dict[str, Value]:
    """Return what the section `model-card` says, by field; without a configuration that nobody named, nothing.

    Raises:
        OptionsError: the file has unknown keys, or a field that cannot be read.
    """
    if not explicit and not Path(path).exists():
        return {}
    section = read_config(path).sections.get(SECTION, {})
    found = as_values(resolve(ModelCardFields, [Layer(origin=f"{path}: {SECTION}", values=section)]))
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def check_page(address: str | None) -> str:
    """Return where links lead.

    Raises:
        OptionsError: it is neither a path nor an address of the web, but what a browser would run.
    """
    scheme = urlsplit(address or "").scheme
    if scheme not in ("", "http", "https"):
        raise OptionsError(f"page: expected a path or an https address, got one of {scheme}:")
    return address or ""


def write(
    run: Run, paths: tuple[Path, Path], door: Door, *, said: Mapping[str, Value], page: str, reports: str
) -> Card:
    """Write the card in both forms, both or none, and return it."""
    folder = Path(os.path.relpath(reports, paths[0].parent)).as_posix()
    card = Card(run=run, stated=door.redactor.everywhere(dict(said)), page=page, reports=folder)
    texts = {paths[0]: markdown(card), paths[1]: json_text(card, version=cd4ml.__version__)}
    write_together(texts, over=paths)
    file = door.file("GITHUB_OUTPUT")
    if file:
        runtime.write_outputs(file, {"model-card": str(paths[0].absolute())})
    return card


def tell(card: Card, target: str, door: Door, *, warn: bool) -> ExitCode:
    """Say what was written and what is missing, and return whether a card like this may pass.

    Args:
        warn: whether an incomplete card passes.
    """
    about = f"{plural(len(card.run.entries), 'report')}, verdict {card.run.status}"
    print(safe(door.redactor.text(f"{target}: {about}, {_completeness(card.missing)}.")), file=door.stdout)
    asked = {option.name: option.help for option in declared(ModelCardFields)}
    for name in card.missing:
        print(safe(f"  {name}: {asked.get(name) or _no_numbers(name)}"), file=door.stderr)
    if not card.missing:
        return PASSED
    if any(name in asked for name in card.missing):
        print(f"State them in cd4ml.yaml, in the section {SECTION}.", file=door.stderr)
    return PASSED if warn else FAILED


def _completeness(missing: Sequence[str]) -> str:
    """Return whether a card is complete, in words."""
    return f"incomplete: {plural(len(missing), 'required field')} not stated" if missing else "complete"


def _no_numbers(name: str) -> str:
    """Return what is wrong with a stage that is missing as evidence."""
    return f"no report of {name.partition(':')[2]} with numbers."


def _is_card(path: Path) -> bool:
    """Whether a file is a card of an earlier run."""
    return GENERATOR in _content(path)


def _is_document(path: Path) -> bool:
    """Whether a file is the JSON of one."""
    return is_ours(_content(path))


def _content(path: Path) -> str:
    """Return the content of a file, "" if it cannot be one of ours."""
    try:
        return path.read_text(encoding="utf-8") if path.stat().st_size <= _LARGEST else ""
    except (OSError, ValueError):
        return ""
