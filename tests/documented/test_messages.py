"""Messages that the documentation quotes are those that the code writes."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
GAP = "\N{HORIZONTAL ELLIPSIS}"


def quoted() -> list[str]:
    """Return the messages on the page: the code that a row begins with."""
    rows = re.findall(r"^\| (``? ?)(.+?) ?\1 \|", PAGE.read_text(), re.M)
    return [message for _, message in rows]


@cache
def written() -> str:
    """Return every text in the code, what is filled in as a gap."""
    texts = []
    for path in sorted((ROOT / "cd4ml").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                texts.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


@pytest.mark.parametrize("message", quoted())
def test_troubleshooting__quotes_real_messages(message: str) -> None:
    """Each part of a quoted message, between what differs from case to case, stands in the code as it is quoted."""
    parts = [part.strip(" .:(") for part in message.split(GAP)]
    spoken = [part for part in parts if re.search(r"[a-z]{2}", part)]

    assert spoken
    for part in spoken:
        assert part in written(), part


def test_troubleshooting__quotes_enough() -> None:
    """The page quotes the messages of at least twenty mistakes."""
    assert len(quoted()) >= 20
