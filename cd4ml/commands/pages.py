"""Pages that commands write where `--html` says: over an earlier page of their own, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from cd4ml.writing import result


def page_path(html: str | None, command: str, environ: Mapping[str, str]) -> Path | None:
    """Return where a command's page goes, None if none is asked for.

    Raises:
        OptionsError: it may not be written there.
    """
    if not html:
        return None
    from cd4ml.render.html.frame import generator, is_page  # most calls want no page

    ours = partial(is_page, made_by=generator(command))
    return result("html", html, environ, endings=(".html",), ours=ours)
