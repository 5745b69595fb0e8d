"""The picture of a terminal shows all that was printed, in its colours, and nothing that it would have to guess."""

from __future__ import annotations

import importlib.util
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.conftest import ROOT

SPACE = "{http://www.w3.org/2000/svg}"


def load() -> Any:
    """Return the module that draws, which is no part of a package that is installed."""
    found = importlib.util.spec_from_file_location("terminal", ROOT / "bin" / "generators" / "terminal.py")
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


TERMINAL = load()


def texts(output: str) -> list[Any]:
    """Return the elements of text in the picture of an output."""
    return ElementTree.fromstring(TERMINAL.picture(output, title="A title")).findall(f"{SPACE}text")


def test_text__all_of_it_inside_the_window() -> None:
    """Long lines go on below, no word is lost, and no line is wider than the window."""
    words = [f"word-{number}" for number in range(60)]

    found = texts(f"  ✘ {' '.join(words)}\nlast")

    assert " ".join(element.text for element in found).split() == ["✘", *words, "last"]
    assert len({element.get("y") for element in found}) > 3
    ends = [float(element.get("x")) + float(element.get("textLength")) for element in found]
    assert max(ends) <= float(texts("x" * TERMINAL.COLUMNS)[0].get("x")) + TERMINAL.COLUMNS * 8


def test_colours__as_the_codes_say() -> None:
    """What a code colours has its class, also where a line is broken inside; what follows the end of it has none."""
    found = texts(f"\x1b[1;31mred {'r' * 60} {'r' * 60}\x1b[0m plain \x1b[32mgreen\x1b[39m")

    classes = {re.sub("r+", "r", element.text.split()[0]): element.get("class") for element in found}
    assert classes == {"red": "bold red", "r": "bold red", "plain": None, "green": "green"}


def test_text__is_only_text() -> None:
    """Characters that mean something in SVG are shown as they are."""
    assert [element.text for element in texts("a < b & </text><script>")] == ["a < b & </text><script>"]


def test_unknown_code__refused() -> None:
    """A code whose look is not known is an error, and not left out."""
    with pytest.raises(KeyError):
        TERMINAL.picture("\x1b[5mblinking", title="A title")
