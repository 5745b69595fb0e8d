"""What a stream shows: colours, characters and the width of its lines."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Final

from cd4ml.commands.door import Lasting, Stream
from cd4ml.render.look import Look

_NARROWEST: Final = 40
_WIDEST: Final = 120
_MARKS: Final = "✔✘–○·→…"


def look_of(stream: Stream, environ: Mapping[str, str], *, verbose: bool = False) -> Look:
    """Return how texts for a stream look.

    NO_COLOR is that of no-color.org. Where it is not set, FORCE_COLOR colours what is no terminal too, but for
    FORCE_COLOR=0 and FORCE_COLOR=false, which mean the same as NO_COLOR.
    """
    if not isinstance(stream, Lasting):
        return Look(verbose=verbose)
    rewritten = animated(stream, environ)
    width = min(max(stream.columns or _WIDEST, _NARROWEST), _WIDEST) if rewritten else None
    return Look(colour=_coloured(environ, rewritten), unicode=_takes(stream, _MARKS), width=width, verbose=verbose)


def animated(stream: Stream, environ: Mapping[str, str]) -> bool:
    """Whether a stream is a terminal that understands escape codes."""
    return isinstance(stream, Lasting) and stream.terminal and environ.get("TERM") != "dumb"


def _coloured(environ: Mapping[str, str], terminal: bool) -> bool:
    """Whether there are colours."""
    if environ.get("NO_COLOR"):
        return False
    forced = environ.get("FORCE_COLOR", "")
    return forced.lower() not in ("0", "false") if forced else terminal


def _takes(stream: Lasting, text: str) -> bool:
    """Whether a stream can show a text."""
    try:
        codecs.encode(text, stream.encoding)
    except (UnicodeError, LookupError):
        return False
    return True
