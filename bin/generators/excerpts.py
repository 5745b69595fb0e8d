"""Parts of the README that a page of the documentation shows as well."""

from __future__ import annotations

import re

from generators.marked import MarkersError, with_part


def first_verdict(text: str, readme: str) -> str:
    """Return the page of the first verdict with what the README says of it."""
    found = re.search(r"^## A first verdict on your own data\n\n(.*?)\n+^## ", readme, re.M | re.S)
    if found is None:
        raise MarkersError("README.md: expected the section `A first verdict on your own data`")
    part = found[1].replace("](docs/", "](")
    return with_part(text, "first-verdict", part, where="docs/first-verdict.md")
