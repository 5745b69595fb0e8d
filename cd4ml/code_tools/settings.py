"""What the project says of its own tools, and what holds where it says nothing."""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import OptionsError
from cd4ml.reading import text_file

_BLACKS_LENGTH: Final = 88
_FLAKE8_FILES: Final = ("setup.cfg", "tox.ini", ".flake8")
_MYPY_FILES: Final = ("mypy.ini", ".mypy.ini")
_RUFF_FILES: Final = ("ruff.toml", ".ruff.toml")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which tools a project configures.

    Attributes:
        line_length: black's, which flake8 follows where the project configures none of its own.
    """

    black: bool = False
    flake8: bool = False
    mypy: bool = False
    ruff: bool = False
    line_length: int = _BLACKS_LENGTH

    def tools(self) -> tuple[str, ...]:
        """Return the tools of a project that names none: its formatter, its linter, mypy and pytest."""
        formatter = "ruff-format" if self.ruff and not self.black else "black"
        linter = "ruff" if self.ruff and not self.flake8 else "flake8"
        return (formatter, linter, "mypy", "pytest")


def read(folder: Path) -> Settings:
    """Return the settings of the project in a folder.

    Raises:
        OptionsError: pyproject.toml is not TOML.
    """
    tool = _pyproject(folder / "pyproject.toml")
    length = _section(tool, "black").get("line-length", _BLACKS_LENGTH)
    return Settings(
        black="black" in tool,
        # flake8 itself reads no pyproject.toml; its plugins that do make that section its configuration.
        flake8="flake8" in tool or any(_has_section(folder / name, "flake8") for name in _FLAKE8_FILES),
        mypy="mypy" in tool
        or any((folder / name).is_file() for name in _MYPY_FILES)
        or _has_section(folder / "setup.cfg", "mypy"),
        ruff="ruff" in tool or any((folder / name).is_file() for name in _RUFF_FILES),
        line_length=length if isinstance(length, int) else _BLACKS_LENGTH,
    )


def _pyproject(path: Path) -> Mapping[str, Any]:
    """Return the table `tool` of a pyproject.toml; empty if there is none."""
    try:
        return _section(tomllib.loads(text_file(path)), "tool")
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise OptionsError(f"{path.name}: invalid TOML: {error}") from error


def _section(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a table of a table; empty if there is none."""
    found = table.get(name, {})
    return found if isinstance(found, Mapping) else {}


def _has_section(path: Path, name: str) -> bool:
    """Whether an INI file has a section; the tool itself says what is wrong with one that cannot be read."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text_file(path))
    except (FileNotFoundError, configparser.Error):
        return False
    return any(section == name or section.startswith(f"{name}:") for section in parser.sections())
