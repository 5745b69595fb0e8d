"""A GitOps repository: read a file, change it, and push so that no race is lost and nobody is overwritten.

When another writer was faster, the branch is fetched again and the change is made anew on what is there now. Rebasing
the old text would conflict with neighbours: with 50 writers it lands 5 commits, this lands 50.
"""

from __future__ import annotations

import base64
import os
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.git import SAFE
from cd4ml.options import redacted

DEADLINE: Final = 120.0  # seconds for all attempts together
_LONGEST_PAUSE: Final = 4.0
_HISTORY: Final = 50
_SCHEMES: Final = re.compile(r"(https|ssh|file)://[^\s\x00-\x1f]+|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^\s\x00-\x1f]+")
_LOOPBACK: Final = re.compile(r"http://([^/@\s]+@)?(127\.0\.0\.1|localhost|\[::1\])(:\d+)?/\S*")
_BRANCH: Final = re.compile(r"(?!-)(?!.*(\.\.|@\{|//|\.lock(/|$)))[A-Za-z0-9][A-Za-z0-9._/+-]*(?<![/.])")
# Somebody else was faster: worth another attempt on fresh state.
_RACE: Final = re.compile(
    r"non-fast-forward|fetch first|cannot lock ref|failed to update ref|stale info|incorrect old value", re.I
)
_TRANSIENT: Final = re.compile(
    r"could not resolve host|timed? ?out|early eof|connection reset|HTTP 50[234]|error: 50[234]", re.I
)


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit of the manifest: its hash and message, newest first in lists."""

    sha: str
    message: str

    def trailer(self, name: str) -> str | None:
        """Return the value of a trailer such as `Cd4ml-Image: …`."""
        match = re.search(rf"^{re.escape(name)}: (.+)$", self.message, re.M)
        return match[1].strip() if match else None


class Clone:
    """A fresh shallow clone in a temporary folder."""

    def __init__(self, *, folder: Path, branch: str, environ: Mapping[str, str]) -> None:
        """Remember where the clone is."""
        self._folder = folder
        self._branch = branch
        self._environ = environ

    def read(self, manifest: str) -> str:
        """Return the text of a file, line endings as they are.

        Raises:
            OptionsError: it is missing, no regular file of the repository, or no UTF-8.
        """
        path = self._folder / manifest
        inside = path.resolve().is_relative_to(self._folder.resolve())
        if path.is_symlink() or not path.is_file() or not inside:
            raise OptionsError(f"manifest {manifest}: no such file on branch {self._branch}")
        try:
            return path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise OptionsError(f"manifest {manifest}: not UTF-8") from error

    def write(self, manifest: str, text: str) -> None:
        """Replace the text of a file."""
        (self._folder / manifest).write_bytes(text.encode("utf-8"))

    def history(self, manifest: str) -> list[Commit]:
        """Return the commits that touched a file, newest first, as far as the clone reaches."""
        raw = self.git("log", f"--max-count={_HISTORY}", "--format=%H%x00%B%x01", "HEAD", "--", manifest)
        parts = [part.strip("\n").split("\x00", 1) for part in raw.split("\x01") if "\x00" in part]
        return [Commit(sha=sha, message=message) for sha, message in parts]

    def at(self, sha: str, manifest: str) -> str:
        """Return the text of a file as of a commit."""
        return self.git("show", f"{sha}:{manifest}")

    def head(self) -> str:
        """Return the commit of the branch."""
        return self.git("rev-parse", "HEAD").strip()

    def commit(self, manifest: str, message: str) -> str:
        """Commit the file and return the commit."""
        identity = []
        if not self._try("config", "user.email")[0]:
            identity = ["-c", "user.name=cd4ml", "-c", "user.email=cd4ml@users.noreply.github.com"]
        self.git("add", "--", manifest)
        self.git(*identity, "commit", "--quiet", "--no-verify", "--message", message)
        return self.head()

    def push(self) -> str | None:
        """Push the branch, fast-forward only; return None, or why another attempt may help.

        Raises:
            UnavailableError: the push was refused for good.
        """
        done, words = self._try("push", "--quiet", "--", "origin", f"HEAD:refs/heads/{self._branch}")
        if done:
            return None
        if _RACE.search(words) or _TRANSIENT.search(words):
            return words
        raise UnavailableError(
            f"The push to {self._branch} was refused: {words}",
            advice="Check the token's permissions and the branch's rules.",
        )

    def refresh(self) -> None:
        """Take the branch as it is now, dropping what was not pushed."""
        self.git("fetch", "--quiet", "--", "origin", f"refs/heads/{self._branch}")
        self.git("reset", "--quiet", "--hard", "FETCH_HEAD")

    def git(self, *arguments: str) -> str:
        """Run git in the clone; raise its words if it fails."""
        done, words = self._try(*arguments)
        if not done:
            raise UnavailableError(f"git {arguments[0]} failed: {words}")
        return words

    def _try(self, *arguments: str) -> tuple[bool, str]:
        """Run git in the clone; return whether it succeeded, and its output or its complaint."""
        return _git(arguments, self._folder, self._environ)


@contextmanager
def clone(repository: str, branch: str, environ: Mapping[str, str]) -> Iterator[Clone]:
    """Clone one branch into a temporary folder.

    Raises:
        OptionsError: the address or the branch is of no allowed form.
        UnavailableError: the repository cannot be reached, or has no such branch.
    """
    address = _address(repository)
    if not _BRANCH.fullmatch(branch):
        raise OptionsError(f"branch {branch!r} is no name of a branch")
    with tempfile.TemporaryDirectory(prefix="cd4ml-gitops-") as scratch:
        folder = Path(scratch) / "clone"
        options = ["--quiet", "--single-branch", f"--depth={_HISTORY}", "--no-tags", f"--branch={branch}"]
        done, words = _git(["clone", *options, "--", address, str(folder)], Path(scratch), environ)
        if not done:
            advice = "Check address, branch and credentials (CD4ML_GIT_TOKEN, or git's own)."
            raise UnavailableError(f"The repository {redacted(repository)} cannot be cloned: {words}", advice=advice)
        yield Clone(folder=folder, branch=branch, environ=environ)


def land(
    repository: Clone,
    manifest: str,
    change: Callable[[str], str],
    message: str,
    *,
    progress: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> str | None:
    """Change the manifest and push; on a lost race do it again on fresh state.

    Args:
        change: text now -> text wanted; called anew on every attempt, and may raise to give up.
        message: of the commit.

    Returns:
        The commit that landed, None if the manifest already says what is wanted.

    Raises:
        UnavailableError: refused for good, or no attempt landed before the deadline.
    """
    deadline = time.monotonic() + DEADLINE
    attempt = 0
    while True:
        before = repository.read(manifest)
        after = change(before)
        if after == before:
            return None
        repository.write(manifest, after)
        commit = repository.commit(manifest, message)
        refusal = repository.push()
        if refusal is None:
            return commit
        attempt += 1
        if time.monotonic() > deadline:
            raise UnavailableError(f"No push landed in {DEADLINE:.0f} seconds and {attempt} attempts: {refusal}")
        progress(f"Another writer was faster; trying again on fresh state (attempt {attempt + 1})")
        # Full jitter spreads the writers; without it they collide again and again.
        pause(random.uniform(0, min(_LONGEST_PAUSE, 0.05 * 2**attempt)))
        repository.refresh()


def manifest_path(path: str) -> str:
    """Return the path of a manifest inside its repository.

    Raises:
        OptionsError: it leads out of the repository.
    """
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or pure.parts[0] == ".git" or path.startswith("-"):
        raise OptionsError(f"manifest {path!r} must be a path inside the repository")
    return str(pure)


def _address(repository: str) -> str:
    """Return the repository's address; transports that run programs (`ext::`) and options are refused."""
    if _SCHEMES.fullmatch(repository) or _LOOPBACK.fullmatch(repository):
        return repository
    path = Path(repository)
    if not repository.startswith("-") and "::" not in repository and "://" not in repository and path.is_dir():
        return path.resolve().as_uri()
    raise OptionsError(
        f"repository {redacted(repository)!r} is neither an https or ssh address nor a local folder",
        advice="Use https://host/owner/name.git, git@host:owner/name.git or a path.",
    )


def _git(arguments: Sequence[str], directory: Path, environ: Mapping[str, str]) -> tuple[bool, str]:
    """Run git without asking anybody anything; return success, and output or complaint without credentials."""
    try:
        result = subprocess.run(
            ["git", *SAFE, *arguments],
            cwd=directory,
            env=_environment(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise UnavailableError("git was not found on this machine.", advice="Install git.") from None
    if result.returncode == 0:
        return True, result.stdout.decode("utf-8", "replace")
    words = " ".join(result.stderr.decode("utf-8", "replace").split())[-600:]
    token = environ.get("CD4ML_GIT_TOKEN")
    return False, redacted(words.replace(token, "***") if token else words)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for git: no prompts, only these transports, the token in a header and not in a URL."""
    ours = {
        **{key: value for key, value in environ.items() if not key.startswith("GIT_") or key in _GIT_KEPT},
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "https:ssh:file:http",
        "LC_ALL": "C",
        "PATH": environ.get("PATH", os.defpath),
    }
    token = environ.get("CD4ML_GIT_TOKEN")
    if token:
        encoded = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        ours |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.extraHeader"}
        ours["GIT_CONFIG_VALUE_0"] = f"Authorization: Basic {encoded}"
    return ours


_GIT_KEPT: Final = frozenset({"GIT_SSL_CAINFO", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_CONFIG_GLOBAL"})
