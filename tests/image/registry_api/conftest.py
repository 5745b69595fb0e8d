"""A registry for the tests of its client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.image.registries import registry


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real registry's host and port."""
    with registry(tmp_path_factory.mktemp("registry")) as address:
        yield address
