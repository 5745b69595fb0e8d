"""The documentation as a site: it builds, and it is complete in itself."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, clean_environment
from tests.documented.test_links import pages


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does: a broken link, anchor or navigation is an error."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [ROOT / "bin" / "docs", folder], env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_site__every_page(site: Path) -> None:
    """Each page of the documentation is a page of the site."""
    wanted = {page.removeprefix("docs/").removesuffix(".md") for page in pages() if page.startswith("docs/")}

    assert {str(path.relative_to(site)).removesuffix(".html") for path in site.rglob("*.html")} == wanted | {"404"}


def test_site__loads_nothing_from_elsewhere(site: Path) -> None:
    """No page takes a script, a style, a font or a picture from another server."""
    loaded = [
        found
        for path in site.rglob("*.html")
        for found in re.findall(r"<(?:script|img|iframe)[^>]*src=\"?https?:[^>]*|<link[^>]*>", path.read_text())
    ]

    assert loaded
    assert not [tag for tag in loaded if re.search(r"(src|href)=\"?(https?:)?//", tag)]


def test_site__links_to_the_repository_lead_to_files(site: Path) -> None:
    """What is outside of docs/ is linked where the repository shows it, and is there."""
    named = {
        name
        for path in site.rglob("*.html")
        for name in re.findall(r"https://github.com/OWNER/cd4ml/blob/v1/([^\"#> ]+)", path.read_text())
    }

    assert {"SECURITY.md", "CONTRIBUTING.md"} <= named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_site__fences_and_tables_are_none_of_the_text(site: Path) -> None:
    """Lists, tables and code are written so that the site shows them as such: no line of Markdown is left in a text."""
    for path in site.rglob("*.html"):
        text = re.sub(r"<(script|code|pre|title|style)\b.*?</\1>", "", path.read_text(), flags=re.S)
        left = re.findall(r"<(?:p|li|td)>[^<]*(?:```|\n\| |\n- |\n\d\. )[^<]*", text)
        assert not left, f"{path.name}: {left[:1]}"
