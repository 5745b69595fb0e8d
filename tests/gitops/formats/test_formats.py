"""What all formats have in common."""

from __future__ import annotations

import pytest

from cd4ml.errors import OptionsError
from cd4ml.gitops.formats import FORMATS
from cd4ml.gitops.manifest import Manifest


def test_a_file_in_no_format_is_told_every_format() -> None:
    """A file that serves nothing is refused: the message says what it holds, and what each format would be."""
    with pytest.raises(OptionsError) as refused:
        Manifest("kind: ConfigMap\nmetadata: {name: settings}\n")
    assert "it holds ConfigMap" in str(refused.value)
    assert all(format.SHAPE in str(refused.value) for format in FORMATS)
