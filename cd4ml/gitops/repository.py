"""A GitOps repository: read a file, change it, and push so that no race is lost and nobody is overwritten.

There is no working tree. Files are read from commits and written as objects, so that line endings, filters, links and
hooks of the repository cannot touch them. When another writer was faster, the branch is fetched again and the change
is made anew on what is there now: rebasing the old text would conflict with its neighbours.
"""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.gitops.address import branch_name, environment, repository_address, without_secrets
from cd4ml.gitops.files import Entry, regular_file
from cd4ml.gitops.process import Outcome, git
from cd4ml.wording import redacted

DEADLINE: Final = 120.0  # seconds for all attempts together
_LONGEST_PAUSE: Final = 4.0
_DEPTH: Final = 50
_HISTORY: Final = 500
_FETCHES: Final = 4
_BASE: Final = "refs/cd4ml/base"
# How git marks a lost race in `push --porcelain`: its own refusal, or the server's lock on the branch.
_RACE: Final = re.compile(
    r"\[rejected\]|\[remote rejected\] \((cannot lock ref|failed to update ref|failed to lock|incorrect old value|"
    r"fetch first|non-fast-forward|stale info|reference already exists)",
    re.I,
)
_TRANSIENT: Final = re.compile(
    r"could not resolve host|timed? ?out|early eof|connection (was )?reset|unexpected disconnect|hung up unexpectedly|"
    r"returned error: (429|50[0234])|HTTP (429|50[0234])|empty reply from server",
    re.I,
)


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit of the manifest: its hash and message, newest first in lists."""

    sha: str
    message: str

    def trailer(self, name: str) -> str | None:
        """Return the value of a trailer such as `Cd4ml-Image: …`; of several (a squashed merge) the last."""
        found = re.findall(rf"^{re.escape(name)}: (.+)$", self.message, re.M)
        return str(found[-1]).strip() if found else None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a push did not land; unless that is certain, it may have landed and only the answer was lost."""

    words: str
    certain: bool


class Clone:
    """The newest commits of a branch, in a temporary folder."""

    def __init__(self, *, folder: Path, address: str, branch: str, environ: Mapping[str, str]) -> None:
        """Remember where things are."""
        self._folder = folder
        self._address = address
        self._branch = branch
        self._environ = environ
        self._base = ""
        self._entries: dict[tuple[str, str], Entry] = {}

    def read(self, manifest: str) -> str:
        """Return the text of a file, byte for byte as it is committed.

        Raises:
            OptionsError: it is missing, no regular file, too large, or no UTF-8.
        """
        content = self._run("cat-file", "blob", self._entry(manifest).sha).output
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise OptionsError(f"manifest {manifest}: not UTF-8") from error

    def history(self, manifest: str, wanted: Callable[[Commit], bool]) -> list[Commit]:
        """Return the commits that touched a file, newest first, down to one that is wanted.

        The clone is shallow; it is deepened only if it does not reach to a commit that is wanted.
        """
        found = self._log(manifest)
        if not any(wanted(commit) for commit in found) and self._shallow():
            base = self._base
            self._fetch("--unshallow")
            # What was read so far is of this commit: if others have pushed since, the race is lost, and not forgotten.
            self._base = base
            found = self._log(manifest)
        return found

    def commit(self, manifest: str, text: str, message: str) -> str:
        """Make a commit on top of the branch that sets one file, and return it."""
        mode = self._entry(manifest).mode
        blob = self._text("hash-object", "-w", "--stdin", stdin=text.encode("utf-8"))
        self._run("read-tree", self._base)
        self._run("update-index", "--cacheinfo", f"{mode},{blob},{manifest}")
        tree = self._text("write-tree")
        identity, signed = self._identity
        return self._text(*identity, "commit-tree", *signed, "-p", self._base, tree, stdin=message.encode("utf-8"))

    @cached_property
    def _identity(self) -> tuple[list[str], list[str]]:
        """Git's options for who commits, and for a signature: the machine's, where it has any."""
        named = self._try("config", "user.email").done
        signs = self._try("config", "--type=bool", "commit.gpgSign").output.strip() == b"true"
        ours = ["-c", "user.name=cd4ml", "-c", "user.email=cd4ml@users.noreply.github.com"]
        return [] if named else ours, ["-S"] if signs else []

    def push(self, commit: str) -> Refusal | None:
        """Push a commit, fast-forward only; return None, or why another attempt may help.

        Raises:
            UnavailableError: the push was refused for good.
        """
        result = self._try("push", "--porcelain", "--", self._address, f"{commit}:refs/heads/{self._branch}")
        if result.done:
            self._base = commit
            if re.search(r"^\*\t", result.output.decode("utf-8", "replace"), re.M):  # so git marks a new branch
                raise UnavailableError(
                    f"The branch {self._branch} was deleted meanwhile, and the push of {commit[:12]} made it anew.",
                    advice="Delete it once more, or keep it if it is wanted; then run again.",
                )
            return None
        words = without_secrets(result.complaint, self._environ)
        # What a hook says may read like anything; git's own verdict is the line that starts with `!`.
        verdict = re.search(r"^!\t[^\t]*\t(.*)$", result.output.decode("utf-8", "replace"), re.M)
        if verdict and _RACE.match(verdict[1]):
            return Refusal(words=verdict[1], certain=True)
        if not verdict and _TRANSIENT.search(words):
            return Refusal(words=words, certain=False)
        raise UnavailableError(
            f"The push to {self._branch} was refused: {verdict[1] + ': ' if verdict else ''}{words}",
            advice="Check the token's permissions and the branch's rules.",
        )

    def refresh(self) -> None:
        """Take the branch as it is now."""
        self._fetch()

    def holds(self, commit: str) -> bool:
        """Whether the branch holds a commit, as far as it is known here."""
        return self._try("merge-base", "--is-ancestor", commit, self._base).done

    def open(self) -> None:
        """Fetch the newest commits of the branch."""
        self._run("init", "--quiet", "--bare", ".")
        self._fetch(f"--depth={_DEPTH}")

    def _fetch(self, *options: str) -> None:
        """Fetch the branch; a server that stumbles is asked again."""
        arguments = ["fetch", "--quiet", "--no-tags", *options, "--", self._address, f"refs/heads/{self._branch}"]
        for attempt in range(1, _FETCHES + 1):
            result = self._try(*arguments)
            if result.done:
                break
            words = without_secrets(result.complaint, self._environ)
            if attempt == _FETCHES or not _TRANSIENT.search(words):
                raise UnavailableError(
                    f"The branch {self._branch} of {redacted(self._address)} cannot be fetched: {words}",
                    advice="Check address, branch and credentials (CD4ML_GIT_TOKEN, or git's own).",
                )
            time.sleep(random.uniform(0, 0.5 * 2**attempt))
        self._base = self._text("rev-parse", "--verify", "FETCH_HEAD^{commit}")
        self._run("update-ref", _BASE, self._base)

    def _entry(self, manifest: str) -> Entry:
        """Return mode and object of a file."""
        key = (self._base, manifest)
        if key not in self._entries:
            self._entries[key] = regular_file(self._run, self._base, manifest, self._branch)
        return self._entries[key]

    def _log(self, manifest: str) -> list[Commit]:
        """Return the commits that touched a file, as far as the clone reaches."""
        arguments = ["log", f"--max-count={_HISTORY}", "--format=%H%x00%B%x01", self._base, "--", manifest]
        parts = self._run(*arguments).output.decode("utf-8", "replace").split("\x01")
        pairs = [part.strip("\n").split("\x00", 1) for part in parts if "\x00" in part]
        # The oldest commit of a shallow clone seems to have added every file: it says nothing about this one.
        cut = self._shallow()
        return [Commit(sha=sha, message=message) for sha, message in pairs if sha not in cut]

    def _shallow(self) -> set[str]:
        """Return the commits at which the clone is cut off."""
        file = self._folder / "shallow"
        return set(file.read_text().split()) if file.exists() else set()

    def _text(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run git and return its one line of output."""
        return self._run(*arguments, stdin=stdin).output.decode("ascii").strip()

    def _run(self, *arguments: str, stdin: bytes = b"") -> Outcome:
        """Run git; raise its words if it fails."""
        result = self._try(*arguments, stdin=stdin)
        if not result.done:
            raise UnavailableError(f"git failed: {without_secrets(result.complaint, self._environ)}")
        return result

    def _try(self, *arguments: str, stdin: bytes = b"") -> Outcome:
        """Run git in the clone."""
        return git(arguments, self._folder, environment(self._address, self._environ), stdin=stdin)


@contextmanager
def clone(repository: str, branch: str, environ: Mapping[str, str]) -> Iterator[Clone]:
    """Fetch the newest commits of a branch into a temporary folder.

    Raises:
        OptionsError: the address or the branch is of no allowed form.
        UnavailableError: the repository cannot be reached, or has no such branch.
    """
    address, name = repository_address(repository), branch_name(branch)
    with tempfile.TemporaryDirectory(prefix="cd4ml-gitops-") as scratch:
        opened = Clone(folder=Path(scratch), address=address, branch=name, environ=environ)
        opened.open()
        yield opened


def land(
    repository: Clone,
    manifest: str,
    change: Callable[[str], str],
    message: str | Callable[[str, str], str],
    *,
    progress: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> str | None:
    """Change the manifest and push; on a lost race do it again on fresh state.

    Args:
        change: text now -> text wanted; called anew on every attempt, and may raise to give up.
        message: of the commit, or what makes it of the text before and after the change.

    Returns:
        The commit that landed, None if the manifest already says what is wanted.

    Raises:
        UnavailableError: refused for good, or no attempt landed before the deadline.
    """
    deadline = time.monotonic() + DEADLINE
    tried: list[str] = []
    while True:
        before = repository.read(manifest)
        after = change(before)
        if after == before:
            return None
        said = message if isinstance(message, str) else message(before, after)
        tried.append(repository.commit(manifest, after, said))
        refusal = repository.push(tried[-1])
        if refusal is None:
            return tried[-1]
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"No push landed in {DEADLINE:.0f} seconds and {len(tried)} attempts: {refusal.words}"
            )
        progress(f"The push did not land ({refusal.words[:200]}); trying again on fresh state")
        # Full jitter spreads the writers; without it they collide again and again.
        pause(random.uniform(0, min(_LONGEST_PAUSE, 0.05 * 2 ** min(len(tried), 10))))
        repository.refresh()
        if not refusal.certain and repository.holds(tried[-1]):
            return tried[-1]
