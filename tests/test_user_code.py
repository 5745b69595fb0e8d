"""Objects of the caller's project: found by `module:object`, and one sentence where they are not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.user_code import load

Load = Callable[..., Any]
_numbers = itertools.count()


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Return a function that writes a module, of a name of its own, and loads an object of it."""

    def load_it(text: str, attribute: str, **how: Any) -> Any:
        module = f"module_to_load_{next(_numbers)}"
        (tmp_path / f"{module}.py").write_text(text)
        return load(
            f"{module}:{attribute}", tmp_path, what="rule", kind="function", may_import="the standard library", **how
        )

    return load_it


def test_load__object_and_object_in_an_object(loaded: Load) -> None:
    """What stands behind the colon is found in the module, and behind a dot in what stands before it."""
    assert loaded("limit = 3", "limit") == 3
    assert loaded("class Limits:\n    most = 4", "Limits.most") == 4
    assert loaded("limit = 3", "limit", prepare=lambda it: it + 1) == 4


@pytest.mark.parametrize("source", ["module", ":object", "module:", "", ":"])
def test_load__not_written_so__refused(tmp_path: Path, source: str) -> None:
    """A source without a module, a colon or an object is told how it is written."""
    with pytest.raises(OptionsError, match=f"rule '{source}' is not written as module:function"):
        load(source, tmp_path, what="rule", kind="function", may_import="nothing")


def test_load__missing_module__unavailable(tmp_path: Path) -> None:
    """A module that is not there is named, and where it was looked for."""
    with pytest.raises(UnavailableError, match="rule no.such:f: there is no module `no` in the working dir") as caught:
        load("no.such:f", tmp_path, what="rule", kind="function", may_import="nothing")

    assert caught.value.advice == "Write the rule as module:function, the module's path with dots."


def test_load__module_imports_what_is_missing__unavailable(loaded: Load) -> None:
    """A module that imports what is not installed is told apart, with the line and what it may import."""
    with pytest.raises(UnavailableError, match=r"_\d+.py:2 imports `nobody_has_it`, which is not installed") as caught:
        loaded("import os\nimport nobody_has_it\nf = 1", "f")

    assert "may import the standard library" in caught.value.advice


def test_load__module_imports_what_can_be_had__unavailable(loaded: Load) -> None:
    """A module that imports what a lock file of its own brings is told which one, and how a workflow asks for it."""
    with pytest.raises(UnavailableError, match="imports `nobody_has_it`, which is not installed") as caught:
        loaded("import nobody_has_it.part", "f", installable={"nobody_has_it": "extra"})

    assert (
        caught.value.advice
        == "Install requirements/extra.txt; in a workflow set the variable CD4ML_REQUIREMENTS: extra."
    )


def test_load__no_such_object__nearest_name(loaded: Load) -> None:
    """An object that the module does not have is answered with the nearest that it has."""
    with pytest.raises(OptionsError, match=r"has no `maximun` \(did you mean `maximum`\?\)"):
        loaded("maximum = 3", "maximun")
    with pytest.raises(OptionsError, match=r"`type` has no `mots` \(did you mean `most`\?\)"):
        loaded("class Limits:\n    most = 4", "Limits.mots")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("f = 1\n1 / 0", r"ZeroDivisionError in module_to_load_\d+.py:2: division by zero"),
        ("import sys\nsys.exit(0)", r"SystemExit in module_to_load_\d+.py:2: 0"),
        ("def f(:", r"SyntaxError in module_to_load_\d+.py:1"),
        ("def __getattr__(name):\n    raise KeyError(name)", r"KeyError in module_to_load_\d+.py:2: 'f'"),
    ],
)
def test_load__raises__is_said_with_its_line(loaded: Load, text: str, said: str) -> None:
    """Whatever the caller's code raises while it is loaded, its class, its line and its words are said."""
    with pytest.raises(OptionsError, match=f"rule .* cannot be loaded: {said}"):
        loaded(text, "f")


def test_load__raises_in_preparation__is_said_too(loaded: Load) -> None:
    """What is made of the object runs as the caller's code does."""
    with pytest.raises(OptionsError, match="cannot be loaded: TypeError"):
        loaded("f = 1", "f", prepare=len)
