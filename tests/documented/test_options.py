"""Every option that the documentation shows is one: in configurations, in the words of options, in workflows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from cd4ml.inputs.model_card import SECTION as MODEL_CARD
from cd4ml.inputs.model_card import ModelCardFields
from cd4ml.inputs.options import declared
from cd4ml.inputs.vocabulary import RunOptions
from cd4ml.stages import STAGES, declaration
from tests.conftest import ROOT
from tests.documented.test_links import pages

OF_ALL: Final = {option.name for option in declared(RunOptions)}
OPTIONS: Final = {stage: OF_ALL | {option.name for option in declared(declaration(stage).Options)} for stage in STAGES}
OPTIONS[MODEL_CARD] = {option.name for option in declared(ModelCardFields)}
SECTIONS: Final = {*OPTIONS, "defaults"}
EVERY: Final = set().union(*OPTIONS.values())
SHOWN: Final = [page for page in pages() if page == "README.md" or page.startswith("docs/")]


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of code in a language on a page."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.S)


def configurations(page: str) -> Iterator[dict[str, Any]]:
    """Yield each `cd4ml.yaml`, or part of one, that a page shows."""
    for text in blocks(page, "yaml"):
        document = yaml.safe_load(re.sub(r"\$\{\{.*?\}\}", "expression", text))
        if isinstance(document, dict) and document.keys() & SECTIONS:
            yield document


@pytest.mark.parametrize("page", SHOWN)
def test_configurations__known_options(page: str) -> None:
    """A configuration that a page shows has sections that are stages, and options that these stages have."""
    for document in configurations(page):
        for section, options in document.items():
            assert section in SECTIONS, section
            assert not set(options) - OPTIONS.get(section, EVERY), section


@pytest.mark.parametrize("page", SHOWN)
def test_commands__known_options(page: str) -> None:
    """A stage's command that a page shows has options that the stage has."""
    for text in blocks(page, "console"):
        for stage, rest in re.findall(r"cd4ml ([a-z]+-[a-z]+) (.*)$", text, re.M):
            if stage in STAGES:
                words = shlex.split(rest, comments=True)
                named = {word.removeprefix("--").partition("=")[0] for word in words if word.startswith("--")}
                assert not named - OPTIONS[stage], stage


@pytest.mark.parametrize("stage", STAGES)
def test_stage_pages__speak_of_known_options(stage: str) -> None:
    """An option that a stage's page sets in a sentence is one of some stage."""
    text = (ROOT / "docs" / "stages" / f"{stage}.md").read_text()
    prose = re.sub(r"```.*?```|<!-- options -->.*?<!-- /options -->", "", text, flags=re.S)
    set_here = set(re.findall(r"`([a-z]+(?:-[a-z]+)+): [^`]+`", prose))

    assert not set_here - EVERY - {"fetch-depth"}  # an input of actions/checkout
