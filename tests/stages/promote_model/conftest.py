"""The GitOps repository and the reports that promote-model reads."""

from __future__ import annotations

from tests.gitops.conftest import evidence, gitops

__all__ = ["evidence", "gitops"]
