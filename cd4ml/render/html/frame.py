"""The frame of a page: one file in which nothing is loaded or run, and only its own style applies."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from cd4ml.render.html.elements import Html, element
from cd4ml.render.html.style import STYLE

# With the generator, a file is known by it to be a page of ours.
DOCTYPE: Final = "<!doctype html>\n"


def generator(command: str) -> Html:
    """Return what says which command made a page."""
    return Html(f'<meta name="generator" content="cd4ml {command}">')


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
    return f"{DOCTYPE}{element('html', head, body, lang='en')}\n"
