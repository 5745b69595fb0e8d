"""Pictures: a Vega-Lite specification becomes SVG; only shapes and texts are kept, in the colours of the page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.etree import ElementTree

import vl_convert

from cd4ml.render.html.elements import Html, element, joined, short

_TAGS: Final = frozenset({"svg", "g", "path", "line", "rect", "circle", "text"})
_COLOURS: Final = ("fill", "stroke")
# A colour is a variable of the page, so that a picture reads in light and dark.
_COLOUR: Final = re.compile(r"none|transparent|var\(--[a-z]+\)")
_GEOMETRY: Final = (
    *("d", "transform", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "width", "height"),
    *("stroke-width", "stroke-dasharray", "opacity", "fill-opacity", "stroke-opacity"),
)
_PLAIN: Final = re.compile(r"[A-Za-z0-9.,()\s+-]*")  # nothing that could end an attribute
_WORDS: Final = {
    "text-anchor": re.compile("start|middle|end"),
    "font-size": re.compile(r"[0-9.]+(px)?"),
    "font-weight": re.compile("normal|bold|[1-9]00"),
}
# What is no character of XML, beside the control characters, which are shown escaped.
_NO_XML: Final = re.compile("[\ufffe\uffff]")
_LONGEST: Final = 50
_LONG_FRACTION: Final = re.compile(r"(\d\.\d\d)\d+")


def picture(title: str, note: str, specification: Mapping[str, Any]) -> Html:
    """Return a figure with its caption.

    Args:
        title: what it shows.
        note: how it is read, or the numbers that matter.
    """
    drawn = vl_convert.vegalite_to_svg(json.dumps(_drawable(specification)), vl_version="5.20", allowed_base_urls=[])
    root = ElementTree.fromstring(drawn)
    shapes = joined(_kept(child) for child in root)
    box = f"0 0 {root.get('width')} {root.get('height')}"
    caption = element("figcaption", title, element("small", note) if note else None)
    label = f"{title}. {note}" if note else title
    return element("figure", caption, element("svg", shapes, viewBox=box, role="img", aria_label=label))


def side_by_side(pictures: Sequence[Html]) -> Html:
    """Return pictures beside one another as far as the page is wide."""
    return element("div", *pictures, class_="plots") if pictures else Html()


def _drawable(value: Any) -> Any:
    """Return a part of a specification with texts that SVG can hold: of any other, the library ends the process."""
    if isinstance(value, Mapping):
        return {name: _drawable(item) for name, item in value.items()}
    if isinstance(value, str):
        return _NO_XML.sub("\ufffd", short(value, most=_LONGEST))
    return [_drawable(item) for item in value] if isinstance(value, Sequence) else value


def _kept(node: ElementTree.Element) -> Html:
    """Return a shape or a text of a picture without whatever else it says."""
    tag = node.tag.rpartition("}")[2]
    if tag not in _TAGS or node.get("display") == "none" or (tag == "path" and not node.get("d")):
        return Html()
    if "background" in (node.get("class") or "") and node.get("stroke") in (None, "transparent"):
        return Html()
    inside = [*([node.text] if tag == "text" and node.text else []), *(_kept(child) for child in node)]
    attributes = _attributes(node)
    if tag == "g" and not any(inside):
        return Html()
    if tag == "g" and not attributes:
        return joined(inside)
    return element(tag, *inside, **attributes)


def _attributes(node: ElementTree.Element) -> dict[str, Html]:
    """Return the attributes that place and paint a shape."""
    found = {name: node.get(name) or "" for name in (*_COLOURS, *_GEOMETRY, *_WORDS)}
    kept = {name: found[name] for name in _COLOURS if _COLOUR.fullmatch(found[name])}
    kept |= {name: _rounded(found[name]) for name in _GEOMETRY if found[name] and _PLAIN.fullmatch(found[name])}
    kept |= {name: found[name] for name, words in _WORDS.items() if words.fullmatch(found[name])}
    if kept.get("transform") == "translate(0,0)":
        del kept["transform"]
    return {
        name: Html(value) for name, value in kept.items() if value != "1" or name not in ("opacity", "stroke-width")
    }


def _rounded(numbers: str) -> str:
    """Return the numbers of a shape with two decimals: finer ones are not seen."""
    return _LONG_FRACTION.sub(r"\1", numbers)
