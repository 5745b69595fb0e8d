"""The ledger: what the suite committed, recorded beside the branch, so that a branch that is rewritten forgets nothing.

It is a chain of commits without files under `refs/cd4ml/ledger/<branch>`; web pages and clones do not show it. It holds
no content of the branch, so that whoever removes something from the history for good has removed it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from cd4ml.errors import UnavailableError
from cd4ml.gitops.history import Commit
from cd4ml.gitops.process import Git
from cd4ml.gitops.trailers import COMMIT, MANIFEST

REFSPEC: Final = "+refs/cd4ml/ledger/*:refs/cd4ml/ledger/*"
_PATIENCE: Final = 20.0  # seconds for all attempts together


class Ledger:
    """The ledger of one branch."""

    def __init__(self, git: Git, branch: str) -> None:
        """Remember where it is."""
        self._git = git
        self.ref = f"refs/cd4ml/ledger/{branch}"

    @property
    def tip(self) -> str:
        """The newest entry, as far as it was fetched; empty if there is none."""
        return self._git.attempt("rev-parse", "--verify", "--quiet", self.ref).output.decode("ascii").strip()

    def add(self, commits: Sequence[Commit], manifest: str, *, raced: Callable[[str], bool]) -> bool:
        """Record commits about a manifest, oldest first; return whether that was possible.

        Args:
            raced: whether git's words for a refused push say that another writer was faster.
        """
        text = "\n\n".join(_entry(commit, manifest) for commit in commits)
        deadline = time.monotonic() + _PATIENCE
        try:
            while True:
                tip = self.tip
                tree = self._git.text("mktree")
                entry = self._git.commit_tree(tree, [tip] if tip else [], f"Ledger of {manifest}\n\n{text}\n")
                result = self._git.attempt("push", "--porcelain", "--", self._git.address, f"{entry}:{self.ref}")
                if result.done:
                    return True
                if time.monotonic() > deadline or not raced(result.output.decode("utf-8", "replace")):
                    return False
                time.sleep(random.uniform(0, 0.5))
                self._git.run("fetch", "--quiet", "--no-tags", "--", self._git.address, REFSPEC)
        except UnavailableError:
            return False  # what was deployed is deployed


def _entry(commit: Commit, manifest: str) -> str:
    """Return the lines that record a commit."""
    lines = [line for line in commit.message.splitlines() if not line.startswith((f"{COMMIT}: ", f"{MANIFEST}: "))]
    return "\n".join([*lines, f"{MANIFEST}: {manifest}", f"{COMMIT}: {commit.sha}"])
