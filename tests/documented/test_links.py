"""What the documentation points at is there: files, headings, terms."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from cd4ml.stages import STAGES

ROOT: Final = Path(__file__).resolve().parents[2]
_LINK: Final = re.compile(r"\]\((?!https?:)([^)\s]+)\)")


def pages() -> list[str]:
    """Return the Markdown files of the repository."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.split()


def anchors(path: Path) -> Iterable[str]:
    """Yield what a link can point at in a page, as GitHub derives it from the headings."""
    for heading in re.findall(r"^#+ (.*)$", path.read_text(), re.M):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", pages())
def test_links__lead_somewhere(page: str) -> None:
    """Every relative link of a page leads to a file that is there, and to a heading in it."""
    for link in _LINK.findall((ROOT / page).read_text()):
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_pages__reached_from_the_index() -> None:
    """Whoever begins at the index of the documentation comes to every page by following links."""
    reached, waiting = set(), [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        links = [link.partition("#")[0] for link in _LINK.findall(page.read_text())]
        found = {(page.parent / link).resolve() for link in links if link.endswith(".md")}
        waiting += sorted(found - reached - set(waiting))

    assert not [page for page in pages() if page.startswith("docs/") and ROOT / page not in reached]


@pytest.mark.parametrize("stage", STAGES)
def test_stage_pages__link_the_glossary(stage: str) -> None:
    """Every stage's page leads to the terms that it uses."""
    assert "](../glossary.md)" in (ROOT / "docs" / "stages" / f"{stage}.md").read_text()


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "tests/README.md"])
def test_named_paths__exist(page: str) -> None:
    """Every file and folder that the pages for contributors name is there."""
    rooms = [
        ROOT,
        ROOT / ".github" / "workflows",
        ROOT / "cd4ml",
        ROOT / "tests",
        *(path.parent for path in (ROOT / "cd4ml").rglob("__init__.py")),
    ]
    named = [
        name
        for name in re.findall(r"`([\w./<>-]+)`", (ROOT / page).read_text())
        if re.search(r"/|\.(py|md|in|sh|yml)$", name)
    ]

    assert len(named) > 10
    for name in named:
        pattern = re.sub(r"<\w+>", "*", name.rstrip("/"))
        assert any(list(room.glob(pattern)) for room in rooms), name
