"""The file of what is accepted in an image: each entry with a reason, and a day on which the acceptance ends."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.reading import text_file
from cd4ml.wording import nearest
from cd4ml.yaml_text import document as yaml_document

_REQUIRED: Final = ("id", "reason", "expires")
# As Trivy writes them: CVE-2024-1, GHSA-…, RHSA-2024:1234, openSUSE-SU-2024:0305-1, PHSA-2024-5.0-0123. A prefix
# without a capital, such as `cve`, would never be met.
_ID: Final = re.compile(r"(?=[a-z]*[A-Z])[A-Za-z][A-Za-z0-9]*-[A-Za-z0-9][A-Za-z0-9.:-]{0,80}")
# Rules of Trivy's, e.g. aws-access-key-id; what a package says of its licence.
_RULE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_LICENSE: Final = re.compile(r"[^\s*?]([^*?\r\n]{0,198}[^\s*?])?")
_LARGEST: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class _Section:
    """What the entries of one list of the file are about.

    Attributes:
        place: the key that says where in the image; required where an entry without it would accept too much.
    """

    place: str
    required: tuple[str, ...]
    pattern: re.Pattern[str]
    expected: str


VULNERABILITIES: Final = "ignore"
SECRETS: Final = "secrets"
LICENSES: Final = "licenses"
_SECTIONS: Final[Mapping[str, _Section]] = {
    VULNERABILITIES: _Section(
        place="package",
        required=_REQUIRED,
        pattern=_ID,
        expected="is not the identifier of a vulnerability; write it as Trivy does, for example CVE-2024-56326, "
        "GHSA-h5c8-rqwp-cp95, RHSA-2024:1234 or SUSE-SU-2024:0305-1",
    ),
    SECRETS: _Section(
        place="path",
        required=(*_REQUIRED, "path"),
        pattern=_RULE,
        expected="is not a rule for secrets; write it as Trivy does, for example aws-access-key-id or private-key",
    ),
    LICENSES: _Section(
        place="package",
        required=_REQUIRED,
        pattern=_LICENSE,
        expected="is not a licence; write it as the report does, for example GPL-3.0-only",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Ignore:
    """One accepted finding; it holds up to and including the day `expires` (UTC).

    Attributes:
        section: the list of the file that it stands in.
        package: the package that it is about, None for all.
        path: the file in the image that it is about.
    """

    id: str
    reason: str
    expires: datetime.date
    package: str | None = None
    path: str | None = None
    section: str = VULNERABILITIES

    def covers(self, vulnerability: str, package: str) -> bool:
        """Whether the entry is about this vulnerability in this package."""
        return self._names(VULNERABILITIES, vulnerability) and self._within(package)

    def covers_secret(self, rule: str, path: str) -> bool:
        """Whether the entry is about what this rule found in this file."""
        return self._names(SECRETS, rule) and self.path is not None and self.path.lstrip("/") == path.lstrip("/")

    def covers_license(self, name: str, package: str) -> bool:
        """Whether the entry is about this licence of this package."""
        return self._names(LICENSES, name) and self._within(package)

    def _names(self, section: str, id: str) -> bool:
        return self.section == section and self.id == id

    def _within(self, package: str) -> bool:
        return self.package is None or normal(self.package) == normal(package)


def current(ignores: Sequence[Ignore], today: datetime.date) -> list[Ignore]:
    """Return the entries that accept anything on this day (UTC)."""
    return [entry for entry in ignores if entry.expires >= today]


def normal(name: str) -> str:
    """Return a package's name as PEP 503 compares it: `Jinja2` and `jinja2` are one package."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_ignores(path: Path) -> Sequence[Ignore]:
    """Read the file: a YAML mapping with lists of entries under `ignore` (vulnerabilities), `secrets` and `licenses`.

    Raises:
        UnavailableError: it is missing.
        OptionsError: an entry has no id, reason or day, or an unknown key; all problems at once.
    """
    document = _load(path)
    lists = document if isinstance(document, Mapping) and document and set(document) <= set(_SECTIONS) else {}
    if not lists or not all(isinstance(entries, list) for entries in lists.values()):
        keys = ", ".join(f"`{name}`" for name in _SECTIONS)
        raise OptionsError(f"{path}: expected a mapping with one or more of the keys {keys}, each a list of entries")
    problems: list[str] = []
    entries = [
        _entry(raw, section, f"{path}: {section}[{index}]", problems)
        for section, raws in lists.items()
        for index, raw in enumerate(raws)
    ]
    if problems:
        raise OptionsError(
            problems,
            advice="An entry has id, reason and expires (YYYY-MM-DD); those of `secrets` have path as well, others may "
            "have package.",
        )
    return [entry for entry in entries if entry is not None]


def _load(path: Path) -> Any:
    """Read the file as YAML."""
    try:
        text = text_file(path, most=_LARGEST)
    except FileNotFoundError as error:
        raise UnavailableError(f"{path}: no such file.") from error
    return yaml_document(text, path)


def _entry(raw: Any, name: str, where: str, problems: list[str]) -> Ignore | None:
    """Read one entry, or note what is wrong with it."""
    if not isinstance(raw, Mapping):
        problems.append(f"{where}: expected a mapping")
        return None
    section = _SECTIONS[name]
    keys, place = (*_REQUIRED, section.place), section.place
    found = [f"{where}: unknown key `{key}`{nearest(str(key), keys)}" for key in raw if key not in keys]
    found += [f"{where}: no `{key}`" for key in section.required if not str(raw.get(key) or "").strip()]
    if place in raw and place not in section.required and not str(raw[place] or "").strip():
        found.append(
            f"{where}: `{place}` is empty, so the entry would apply to every {place}: name one, or leave it out"
        )
    identity, expires = str(raw.get("id") or ""), _day(raw.get("expires"))
    if identity and not section.pattern.fullmatch(identity):
        found.append(f"{where}: {identity[:80]!r} {section.expected}")
    if raw.get("expires") and expires is None:
        found.append(f"{where}: expires must be a date, YYYY-MM-DD")
    problems += found
    if found or expires is None:
        return None
    about = {place: str(raw[place])} if raw.get(place) else {}
    return Ignore(id=identity, reason=str(raw["reason"]), expires=expires, section=name, **about)


def _day(raw: Any) -> datetime.date | None:
    """Return a day, from YAML's own type or from a text."""
    if isinstance(raw, datetime.datetime):
        return None
    if isinstance(raw, datetime.date):
        return raw
    try:
        return datetime.date.fromisoformat(str(raw))
    except ValueError:
        return None
