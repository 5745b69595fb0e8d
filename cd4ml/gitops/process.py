"""Running git: bounded in time, silent, and gone with everything that it started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from cd4ml.errors import UnavailableError
from cd4ml.git import SAFE
from cd4ml.gitops.address import environment, without_secrets
from cd4ml.process.programs import Completed, completed

SECONDS: Final = 120.0
# A server that sends next to nothing counts as gone; nothing goes on in the background; nobody is asked.
_CONFIG: Final = (
    *SAFE,
    *("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=30"),
    *("-c", "gc.auto=0", "-c", "maintenance.auto=false"),
    *("-c", "push.followTags=false", "-c", "push.recurseSubmodules=no", "-c", "fetch.recurseSubmodules=no"),
    *("-c", "credential.interactive=false"),
)
# These ask nobody: no server, no agent that signs. They look into the clone, which is the run's own, and are done.
_LOCAL: Final = frozenset(
    {"config", "hash-object", "init", "ls-tree", "merge-base", "mktree", "read-tree", "rev-list", "rev-parse"}
    | {"update-index", "update-ref", "var", "write-tree"}
)


def git(
    arguments: Sequence[str],
    directory: Path,
    environ: Mapping[str, str],
    *,
    stdin: bytes = b"",
    seconds: float = SECONDS,
) -> Completed:
    """Run git in a folder.

    Raises:
        UnavailableError: git is missing, or does not end in time; what it started is ended with it.
    """
    command = ["git", *_CONFIG, "--literal-pathspecs", *arguments]
    name, brief = f"git {arguments[0]}", arguments[0] in _LOCAL
    return completed(command, environ=environ, folder=directory, stdin=stdin, seconds=seconds, name=name, brief=brief)


@dataclass(frozen=True, kw_only=True)
class Git:
    """git in one clone, and the address that it fetches from and pushes to."""

    folder: Path
    address: str
    environ: Mapping[str, str] = field(repr=False)

    def attempt(self, *arguments: str, stdin: bytes = b"", seconds: float = SECONDS) -> Completed:
        """Run git in the clone."""
        return git(arguments, self.folder, environment(self.address, self.environ), stdin=stdin, seconds=seconds)

    def run(self, *arguments: str, stdin: bytes = b"", seconds: float = SECONDS) -> Completed:
        """Run git; raise its words if it fails."""
        result = self.attempt(*arguments, stdin=stdin, seconds=seconds)
        if not result.done:
            raise UnavailableError(f"git failed: {without_secrets(result.complaint, self.environ)}")
        return result

    def text(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run git and return its one line of output."""
        return self.run(*arguments, stdin=stdin).output.decode("ascii").strip()

    def commit_tree(self, tree: str, parents: Sequence[str], message: str) -> str:
        """Make a commit of a tree, and return it."""
        identity, signed = self._identity
        before = [argument for parent in parents for argument in ("-p", parent)]
        return self.text(*identity, "commit-tree", *signed, *before, tree, stdin=message.encode("utf-8"))

    @property
    def identity(self) -> str:
        """Who commits, as `Name <address>`."""
        options, _ = self._identity
        return (
            self.run(*options, "var", "GIT_COMMITTER_IDENT").output.decode("utf-8", "replace").rpartition("> ")[0] + ">"
        )

    @cached_property
    def _identity(self) -> tuple[list[str], list[str]]:
        """Git's options for who commits, and for a signature: the machine's, where it has any."""
        named = self.attempt("config", "user.email").done
        signs = self.attempt("config", "--type=bool", "commit.gpgSign").output.strip() == b"true"
        ours = ["-c", "user.name=cd4ml", "-c", "user.email=cd4ml@users.noreply.github.com"]
        return [] if named else ours, ["-S"] if signs else []
