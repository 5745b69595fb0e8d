"""A hook of the documentation's site: links that lead out of docs/ lead to the repository."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cd4ml.published import RELEASE, REPOSITORY  # noqa: E402

_LINK: Final = re.compile(r"\]\((\.\./[^)\s]+)\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return a page's text with such links rewritten; the repository shows what is not a page of the site."""

    def rewritten(match: re.Match[str]) -> str:
        target = normpath(join("docs", dirname(page.file.src_uri), match[1]))
        if target.startswith("docs/"):
            return match[0]
        return f"](https://github.com/{REPOSITORY}/blob/{RELEASE}/{target})"

    return _LINK.sub(rewritten, markdown)
