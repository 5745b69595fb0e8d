"""Text from data as Markdown that is nothing but text: it mentions nobody, refers to nothing and links nowhere."""

from __future__ import annotations

import re
from typing import Final

from cd4ml.wording import safe

# Everything that Markdown, its GitHub dialect or an HTML renderer could take for markup, a mention or a link.
_MARKUP: Final = str.maketrans({character: f"&#{ord(character)};" for character in "\\`*_{}[]()#+-.!|~@:/<>&\"'"})
# The platform looks for names, references and addresses in the text that it shows, after character references have
# become characters: a zero-width space is what keeps it from finding any.
BREAK: Final = "&#8203;"
_BROKEN: Final = (
    # @name, #1, owner/name#1; but no image@sha256:…, which names nobody and is there to be copied
    (re.compile(r"&#(?:64|35);(?!(?<=[A-Za-z0-9]&#64;)sha256&#58;[0-9a-f]{64}\b)"), rf"\g<0>{BREAK}"),
    (re.compile(r"(?<=[A-Za-z])&#45;(?=\d)"), rf"&#45;{BREAK}"),  # GH-1, TICKET-1
    (re.compile(r"&#58;(?=&#47;)"), rf"&#58;{BREAK}"),  # https://
    (re.compile(r"(?i)\b(?:www|mailto|xmpp)(?=&#)"), rf"\g<0>{BREAK}"),
    (re.compile(r"&#58;(?=(?:\w|&#(?:43|45|95);)+&#58;)", re.ASCII), rf"\g<0>{BREAK}"),  # :emoji:
    (re.compile(r"\$"), "<span>$</span>"),  # a formula
)


def inert(text: str, *, most: int = 500) -> str:
    """Return text from data as one line of Markdown that is nothing but text.

    A commit's name stays in one piece, so that a digest can be copied: in a step's summary it leads to the commit.
    """
    shown = safe(text)
    if len(shown) > most:
        shown = shown[: most - 1] + "…"
    shown = shown.translate(_MARKUP)
    for pattern, broken in _BROKEN:
        shown = pattern.sub(broken, shown)
    return shown
