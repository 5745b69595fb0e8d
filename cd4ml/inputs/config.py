"""Reading `cd4ml.yaml`: a section for each stage, and `defaults` for options that several stages share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cd4ml.digests import bytes_sha256
from cd4ml.errors import OptionsError
from cd4ml.inputs.options import Option, suggestion
from cd4ml.inputs.values import Layer
from cd4ml.reading import text_file
from cd4ml.wording import nearest
from cd4ml.yaml_text import Lined
from cd4ml.yaml_text import document as yaml_document

DEFAULTS: Final = "defaults"
_LARGEST: Final = 1_000_000  # bytes; a configuration is written by hand


@dataclass(frozen=True, kw_only=True)
class Config:
    """A configuration file that has been read and whose keys are all known.

    Attributes:
        sha256: digest of the text that was read.
    """

    path: str
    sha256: str = ""
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    written: Lined = field(default_factory=Lined, repr=False)

    def values(self, stage: str) -> Mapping[str, Any]:
        """Return what the file sets for a stage: its section, and over nothing else, `defaults`."""
        return {**self.sections.get(DEFAULTS, {}), **self.sections.get(stage, {})}

    def layer(self, stage: str) -> Layer:
        """Return what the file sets for a stage as a source of values."""
        values = self.values(stage)
        lines = {name: line for name in values if (line := self.line_of(stage, (name,))) is not None}
        return Layer(origin=self.path, values=values, lines=lines)

    def line_of(self, stage: str, option: Sequence[str]) -> int | None:
        """Return the line that sets an option of a stage, or what is named within it; None if the file does not."""
        for name in (stage, DEFAULTS):
            section = self.written.get(name)
            if isinstance(section, Lined) and option[0] in section:
                return _deepest_line(section, option)
        return None

    def line_of_section(self, stage: str) -> int | None:
        """Return the line on which a stage's section begins."""
        return self.written.lines.get(stage)

    def configures(self, stage: str) -> bool:
        """Whether the file has a section for the stage."""
        return stage in self.sections


def read(
    path: Path, options: Mapping[str, tuple[Option, ...]], *, apart: Mapping[str, tuple[Option, ...]] | None = None
) -> Config:
    """Read the file and refuse what no stage knows.

    Args:
        path: the file, relative to the working directory.
        options: the options of every stage by stage name.
        apart: those of sections that are about no stage: `defaults` sets none of them.

    Raises:
        OptionsError: it is not YAML, too large, uses aliases, or has unknown keys; all problems of a kind at once.
    """
    text = _text(path)
    document = _parsed(text, path)
    problems = list(_unknown(document, path, options, apart or {}))
    if problems:
        raise OptionsError(problems)
    sections = {name: dict(section or {}) for name, section in document.items()}
    return Config(path=str(path), sha256=bytes_sha256(text.encode()), sections=sections, written=document)


def _deepest_line(section: Lined, names: Sequence[str]) -> int:
    """Return the line of the last of some keys, each within the one before, as far as they are there."""
    inner, *deeper = section[names[0]], *names[1:]
    if deeper and isinstance(inner, Lined) and deeper[0] in inner:
        return _deepest_line(inner, deeper)
    return section.lines[names[0]]


def _text(path: Path) -> str:
    """Read the file."""
    try:
        return text_file(path, most=_LARGEST)
    except FileNotFoundError as error:
        advice = "Create it (the README shows one), or name another with the option config."
        raise OptionsError(f"{path}: no such file", advice=advice) from error


def _parsed(text: str, path: Path) -> Lined:
    """Parse it; a word that YAML reads otherwise than it is meant (`no`, `010`, a date) is refused."""
    document = yaml_document(text, path, aliases=False, dates=False, lines=True)
    if document is None:
        return Lined()
    if not isinstance(document, Lined):
        raise OptionsError(f"{path}: expected a mapping with a section for each stage")
    return document


def _unknown(
    document: Lined,
    path: Path,
    options: Mapping[str, tuple[Option, ...]],
    apart: Mapping[str, tuple[Option, ...]],
) -> list[str]:
    """Return one problem for each key that no section knows."""
    problems = []
    in_config = {stage: {option.name for option in declared if option.in_config} for stage, declared in options.items()}
    in_config[DEFAULTS] = set().union(*in_config.values())
    in_config |= {section: {option.name for option in declared} for section, declared in apart.items()}
    every = {**options, **apart, DEFAULTS: tuple(option for declared in options.values() for option in declared)}
    for name, section in document.items():
        line = document.lines[name]
        if name not in in_config:
            problems.append(f"{path}:{line}: unknown section `{name}`{nearest(str(name), in_config)}")
        elif section is not None and not isinstance(section, Lined):
            problems.append(f"{path}:{line}: section `{name}` must be a mapping of options")
        elif section is not None:
            for key, value in section.items():
                key_line = section.lines[key]
                if value is None:  # a limit that was left empty would otherwise be no limit, in silence
                    problems.append(f"{path}:{key_line}: `{key}` in `{name}` has no value: give it one or remove it")
                if key not in in_config[name]:
                    known = suggestion(str(key), [option for option in every[name] if option.in_config])
                    problems.append(f"{path}:{key_line}: unknown option `{key}` in `{name}`{known}")
    return problems
