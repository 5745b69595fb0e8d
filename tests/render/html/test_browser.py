"""The page in a real browser: on a wide and on a narrow screen, in light and dark, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.render.html.browser import Browser, browser

pytestmark = pytest.mark.timeout(300)
NARROW: Final = 390
# Contrast of every text that is seen with the nearest ground behind it; a picture's text is painted by `fill`.
CONTRAST: Final = """
(() => {
  const parts = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = colour => parts(colour).slice(0, 3).map(value => value / 255)
    .map(value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (parts(colour).length && parts(colour)[3] !== 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim()) continue;
    const style = getComputedStyle(node);
    const own = light(node.namespaceURI.endsWith('svg') ? style.fill : style.color), behind = light(ground(node));
    found.push([(Math.max(own, behind) + 0.05) / (Math.min(own, behind) + 0.05), node.tagName, node.textContent]);
  }
  return found.sort((a, b) => a[0] - b[0]).slice(0, 3);
})()
"""


@pytest.fixture(scope="module")
def chromium(program: Callable[[str], str]) -> Iterator[Browser]:
    """Return a browser that is offline."""
    with browser(program("chromium")) as found:
        yield found


def unfold(page: Browser) -> None:
    """Open everything that is folded."""
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, NARROW])
def test_fits_and_reads(width: int, dark: bool, chromium: Browser, real_page: Path) -> None:
    """Nothing but tables scrolls sideways, every text has a contrast of 4.5, and nothing is asked for."""
    chromium.said.clear()
    chromium.requests.clear()
    chromium.open(real_page, width=width, dark=dark)
    unfold(chromium)

    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    lowest = chromium.evaluate(CONTRAST)
    assert lowest[0][0] >= 4.5, lowest
    ground = chromium.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
    assert chromium.said == [] and chromium.requests == [real_page.as_uri()]


def test_pictures__stay_in_their_frames(chromium: Browser, real_page: Path) -> None:
    """No label of a picture leaves the page, and pictures are drawn."""
    chromium.open(real_page, width=NARROW)
    unfold(chromium)
    labels = "[...document.querySelectorAll('svg text')].map(one => one.getBoundingClientRect())"
    boxes: Any = chromium.evaluate(f"{labels}.map(box => [box.left, box.right])")

    assert len(boxes) > 50
    assert min(left for left, _ in boxes) >= 0 and max(right for _, right in boxes) <= NARROW


def test_keyboard(chromium: Browser, real_page: Path) -> None:
    """Everything that can be used is reached by keyboard, beginning with the way past the list of stages."""
    chromium.open(real_page)
    order = chromium.evaluate(
        "[...document.querySelectorAll('a, summary, [tabindex]')].map(one => [one.tabIndex, one.className])"
    )

    assert order[0] == [0, "skip"]
    assert {place for place, _ in order} == {0}


def test_paper(chromium: Browser, real_page: Path) -> None:
    """On paper the page is dark on white, also where the screen is dark."""
    chromium.open(real_page, width=800, dark=True, paper=True)

    assert chromium.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert chromium.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert chromium.evaluate(CONTRAST)[0][0] >= 4.5


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe(dark: bool, chromium: Browser, real_page: Path, program: Callable[[str], str]) -> None:
    """axe-core finds nothing that keeps people from reading the page."""
    rules = Path(program("axe")).read_text(encoding="utf-8")
    chromium.open(real_page, dark=dark)
    unfold(chromium)
    # By way of the protocol, which the page's own policy does not bind.
    chromium.evaluate(f"{rules}\n;true")

    found = chromium.evaluate(
        "axe.run().then(found => found.violations.map(one => [one.impact, one.id, one.nodes[0].html]))"
    )

    assert found == []
