"""What a registry demands before it answers: the header WWW-Authenticate, read.

https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_WORD: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_PARAMETER: Final = re.compile(rf'\s*,?\s*(?P<name>{_WORD})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>{_WORD}))')
_SCHEME: Final = re.compile(rf"\s*,?\s*(?P<scheme>{_WORD})(?:\s+|$|(?=,))")


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """A way to prove who asks: `basic`, or `bearer` with the address that gives tokens."""

    scheme: str
    parameters: Mapping[str, str]


def challenges(headers: Sequence[str]) -> list[Challenge]:
    """Return every challenge of the header's values; what cannot be read ends a value."""
    found = []
    for text in headers:
        while scheme := _SCHEME.match(text):
            text = text[scheme.end() :]
            parameters = {}
            while parameter := _PARAMETER.match(text):
                value = parameter["bare"] or re.sub(r"\\(.)", r"\1", parameter["quoted"] or "")
                parameters[parameter["name"].lower()] = value
                text = text[parameter.end() :]
            found.append(Challenge(scheme=scheme["scheme"].lower(), parameters=parameters))
    return found
