"""Elements of a page: every text in one is escaped, so that what comes from data is text and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from cd4ml.wording import safe

# Shapes of SVG, which a page takes for open until they are closed.
_EMPTY: Final = frozenset({"path", "line", "rect", "circle"})
_LONGEST: Final = 2000


class Html(str):
    """Markup that was made here."""


Content = Html | str | int | None


def text(value: object, *, most: int = _LONGEST) -> Html:
    """Return text from data as it may stand in an element or an attribute, without control characters."""
    return Html(escape(short(str(value), most=most), quote=True))


def short(value: str, *, most: int) -> str:
    """Return a text with its control and format characters made visible, cut if it is long."""
    shown = safe(value[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def element(name: str, *children: Content, **attributes: str | None) -> Html:
    """Return an element.

    Args:
        children: markup as it is, everything else as text; None is left out.
        attributes: without those that are None; `class_` is `class`, `aria_label` is `aria-label`.
    """
    named = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    start = name + "".join(f' {key}="{value if isinstance(value, Html) else text(value)}"' for key, value in named)
    if name in _EMPTY:
        return Html(f"<{start}/>")
    return Html(f"<{start}>{joined(children)}</{name}>")


def joined(children: Iterable[Content]) -> Html:
    """Return elements and texts one after another."""
    return Html("".join(child if isinstance(child, Html) else text(child) for child in children if child is not None))


def details(summary: Content, *children: Content, opened: bool = False) -> Html:
    """Return what a reader unfolds; nothing if it would hold nothing."""
    held = joined(children)
    if not held:
        return Html()
    return element("details", element("summary", summary), held, open="" if opened else None)
