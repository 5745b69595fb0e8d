"""Projects to build images of, and a laboratory to build them in."""

from __future__ import annotations

from tests.image.conftest import build, project, vulnerable

__all__ = ["build", "project", "vulnerable"]
