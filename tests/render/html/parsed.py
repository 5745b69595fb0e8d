"""A page as a browser's parser sees it: elements, their attributes and texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "path", "line", "rect", "circle"}


@dataclass
class Element:
    """An element with what is in it."""

    tag: str
    attributes: dict[str, str | None]
    parent: Element | None = None
    children: list[Element] = field(default_factory=list)
    own: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it."""
        return " ".join([*self.own, *(child.text for child in self.children)]).strip()

    def all(self, *tags: str) -> list[Element]:
        """Return the elements in it that have one of these names, in the order of the document."""
        found = []
        for child in self.children:
            found += [child] if child.tag in tags else []
            found += child.all(*tags)
        return found

    def shape(self, *, pictures: bool = True) -> list[tuple[str, tuple[str, ...]]]:
        """Return every element's name and the names of its attributes; without what is in pictures, if so asked."""
        own = [(self.tag, tuple(sorted(self.attributes)))]
        inside = [] if self.tag == "svg" and not pictures else self.children
        return own + [one for child in inside for one in child.shape(pictures=pictures)]


class _Parser(HTMLParser):
    """Builds the tree, and holds the page to closing what it opens."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.at = Element(tag="", attributes={})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag=tag, attributes=dict(attrs), parent=self.at)
        assert len(element.attributes) == len(attrs), f"an attribute twice in <{tag}>"
        self.at.children.append(element)
        if tag not in _VOID:
            self.at = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.at.tag, f"</{tag}> ends <{self.at.tag}>"
        assert self.at.parent is not None
        self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        self.at.own.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def parse(page: str) -> Element:
    """Return the root of a page."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    assert parser.at is parser.root, f"<{parser.at.tag}> is not closed"
    return parser.root
