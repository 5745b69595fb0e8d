"""The file of accepted vulnerabilities: each with a reason, and a day on which the acceptance ends."""

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

_KEYS: Final = ("id", "package", "reason", "expires")
_REQUIRED: Final = ("id", "reason", "expires")
# As Trivy writes them: CVE-2024-1, GHSA-…, RHSA-2024:1234, openSUSE-SU-2024:0305-1, PHSA-2024-5.0-0123. A prefix
# without a capital, such as `cve`, would never be met.
_ID: Final = re.compile(r"(?=[a-z]*[A-Z])[A-Za-z][A-Za-z0-9]*-[A-Za-z0-9][A-Za-z0-9.:-]{0,80}")
_LARGEST: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Ignore:
    """One accepted vulnerability; it holds up to and including the day `expires` (UTC)."""

    id: str
    reason: str
    expires: datetime.date
    package: str | None = None

    def covers(self, vulnerability: str, package: str) -> bool:
        """Whether the entry is about this vulnerability in this package."""
        return self.id == vulnerability and (self.package is None or normal(self.package) == normal(package))


def normal(name: str) -> str:
    """Return a package's name as PEP 503 compares it: `Jinja2` and `jinja2` are one package."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_ignores(path: Path) -> Sequence[Ignore]:
    """Read the file: a YAML mapping with the one key `ignore`, a list of entries.

    Raises:
        UnavailableError: it is missing.
        OptionsError: an entry has no id, reason or day, or an unknown key; all problems at once.
    """
    document = _load(path)
    if not isinstance(document, Mapping) or set(document) != {"ignore"} or not isinstance(document["ignore"], list):
        raise OptionsError(f"{path}: expected a mapping with the one key `ignore`, a list of entries")
    problems: list[str] = []
    entries = [_entry(raw, f"{path}: ignore[{index}]", problems) for index, raw in enumerate(document["ignore"])]
    if problems:
        raise OptionsError(problems, advice="An entry has id, reason and expires (YYYY-MM-DD), and may have package.")
    return [entry for entry in entries if entry is not None]


def _load(path: Path) -> Any:
    """Read the file as YAML."""
    try:
        text = text_file(path, most=_LARGEST)
    except FileNotFoundError as error:
        raise UnavailableError(f"{path}: no such file.") from error
    return yaml_document(text, path)


def _entry(raw: Any, where: str, problems: list[str]) -> Ignore | None:
    """Read one entry, or note what is wrong with it."""
    if not isinstance(raw, Mapping):
        problems.append(f"{where}: expected a mapping")
        return None
    found = [f"{where}: unknown key `{key}`{nearest(str(key), _KEYS)}" for key in raw if key not in _KEYS]
    found += [f"{where}: no `{key}`" for key in _REQUIRED if not str(raw.get(key) or "").strip()]
    if "package" in raw and not str(raw["package"] or "").strip():
        found.append(
            f"{where}: `package` is empty, so the entry would apply to every package: name one, or leave it out"
        )
    identity, expires = str(raw.get("id") or ""), _day(raw.get("expires"))
    if identity and not _ID.fullmatch(identity):
        found.append(
            f"{where}: {identity[:80]!r} is not the identifier of a vulnerability; write it as Trivy does, for example "
            "CVE-2024-56326, GHSA-h5c8-rqwp-cp95, RHSA-2024:1234 or SUSE-SU-2024:0305-1"
        )
    if raw.get("expires") and expires is None:
        found.append(f"{where}: expires must be a date, YYYY-MM-DD")
    problems += found
    if found or expires is None:
        return None
    package = str(raw["package"]) if raw.get("package") else None
    return Ignore(id=identity, reason=str(raw["reason"]), expires=expires, package=package)


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
