"""Why a push did not land: another writer was faster, the network stumbled, or the server refused it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# How git marks a lost race in `push --porcelain`: its own refusal, or the server's lock on the branch.
_RACE: Final = re.compile(
    r"\[rejected\]|\[remote rejected\] \((cannot lock ref|failed to update ref|failed to lock|incorrect old value|"
    r"fetch first|non-fast-forward|stale info|reference already exists)",
    re.I,
)
TRANSIENT: Final = re.compile(
    r"could not resolve host|timed? ?out|early eof|connection (was )?reset|unexpected disconnect|hung up unexpectedly|"
    r"returned error: (429|50[0234])|HTTP (429|50[0234])|empty reply from server",
    re.I,
)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a push did not land; unless that is certain, it may have landed and only the answer was lost."""

    words: str
    certain: bool


def verdict(output: str) -> str:
    """Return why `push --porcelain` says that a ref was refused; what a hook says may read like anything."""
    found = re.search(r"^!\t[^\t]*\t(.*)$", output, re.M)
    return found[1] if found else ""


def race(output: str) -> bool:
    """Whether `push --porcelain` says that another writer was faster."""
    return bool(_RACE.match(verdict(output)))
