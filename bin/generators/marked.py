"""Documents of which a part is generated: it stands between two markers, and the rest is written by hand."""

from __future__ import annotations

import re


class MarkersError(Exception):
    """A document does not say where its generated part goes."""


def with_part(text: str, marker: str, part: str, *, where: str, form: str = "<!-- {} -->") -> str:
    """Return a document with what stands between two markers replaced, indented as the first of them is.

    Args:
        text: the document.
        marker: name of the part; the markers are comments, each on a line of its own.
        where: the document's path, for messages.
        form: how a marker is written.

    Raises:
        MarkersError: the two markers are not there exactly once each, in their order.
    """
    opening, closing = form.format(marker), form.format(f"/{marker}")
    found = re.findall(rf"^ *({re.escape(opening)}|{re.escape(closing)}) *$", text, re.M)
    if found != [opening, closing]:
        counted = f"found {found.count(opening)} and {found.count(closing)}"
        raise MarkersError(f"{where}: expected {opening} and, after it, {closing}, once each; {counted}")
    pattern = re.compile(rf"^( *)({re.escape(opening)} *\n).*?^( *{re.escape(closing)} *)$", re.M | re.S)

    def replaced(match: re.Match[str]) -> str:
        lines = [f"{match[1]}{line}" if line else "" for line in part.split("\n")]
        return f"{match[1]}{match[2]}" + "\n".join(lines) + f"\n{match[3]}"

    return pattern.sub(replaced, text)
