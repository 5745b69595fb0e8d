"""The frame of a page: one file in which nothing is loaded or run, and only its own style applies."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

from cd4ml.render.html.elements import Html, element
from cd4ml.render.html.style import STYLE

_DOCTYPE: Final = "<!doctype html>\n"
# Enough of a file to know a page of ours by.
_HEAD: Final = 4096


def generator(command: str) -> Html:
    """Return what says which command made a page."""
    return Html(f'<meta name="generator" content="cd4ml {command}">')


def is_page(path: Path, made_by: Html) -> bool:
    """Whether a file is a page that a command made in an earlier run."""
    try:
        with path.open(encoding="utf-8") as stream:
            head = stream.read(_HEAD)
    except (OSError, ValueError):
        return False
    return head.startswith(_DOCTYPE) and made_by in head


def whole(title: str, made_by: Html, body: Html) -> str:
    """Return a page."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        made_by,
        element("title", title),
        Html(f"<style>{STYLE}</style>"),
    )
    return f"{_DOCTYPE}{element('html', head, body, lang='en')}\n"
