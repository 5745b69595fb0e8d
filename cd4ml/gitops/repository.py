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
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.gitops.address import branch_name, repository_address, without_secrets
from cd4ml.gitops.files import Entry, regular_file
from cd4ml.gitops.history import Commit, History, history
from cd4ml.gitops.ledger import REFSPEC, Ledger
from cd4ml.gitops.messages import same_message, worded
from cd4ml.gitops.platform import commit_on
from cd4ml.gitops.people import Made, made
from cd4ml.gitops.process import SECONDS, Git
from cd4ml.gitops.refusal import TRANSIENT, Refusal, race, verdict
from cd4ml.gitops.route import Route, api
from cd4ml.gitops.ssh import with_key
from cd4ml.gitops.trailers import naming, trailers_of
from cd4ml.wording import redacted

DEADLINE: Final = 120.0  # seconds for all attempts together
_LONGEST_PAUSE: Final = 4.0
_LONG: Final = 600.0  # seconds for the whole history of a large repository
_DEPTH: Final = 50
_FETCHES: Final = 4
_BASE: Final = "refs/cd4ml/base"
_TIP: Final = "refs/cd4ml/tip"
_REMOTE: Final = "whole"


class Clone:
    """A branch in a temporary folder: its newest commits, and all of them once its history is asked for.

    Attributes:
        recorded: whether the ledger took what was pushed last; None if nothing was.
        route: how a change reaches the branch.
    """

    def __init__(
        self, *, folder: Path, address: str, branch: str, environ: Mapping[str, str], route: Route = Route()
    ) -> None:
        """Remember where things are."""
        self.git = Git(folder=folder, address=address, environ=environ)
        self._ledger = Ledger(self.git, branch)
        self.branch = branch
        self.route = route
        self.base = ""
        self._entries: dict[tuple[str, str], Entry] = {}
        self._histories: dict[tuple[str, str], History] = {}
        self._whole = False  # whether all of the history was asked for
        self.recorded: bool | None = None

    def read(self, manifest: str) -> str:
        """Return the text of a file, byte for byte as it is committed.

        Raises:
            OptionsError: it is missing, no regular file, too large, or no UTF-8.
        """
        content = self.git.run("cat-file", "blob", self.entry(manifest).sha).output
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise OptionsError(f"manifest {manifest}: not UTF-8") from error

    def history(self, manifest: str, others: Set[str] = frozenset()) -> History:
        """Return everything that the suite did to a manifest, other parts of it excepted, of the whole history.

        What was fetched first is only the newest part of it; whether an image was never deployed is known by all of it.
        """
        if self._shallow() and not self._whole:
            base = self.base
            # Without contents, where the server can leave them out: messages and names of files are what is asked.
            self.git.run("config", f"remote.{_REMOTE}.url", self.git.address)
            self._fetch("--unshallow", "--filter=blob:none", source=_REMOTE, seconds=_LONG)
            # What was read so far is of this commit: if others have pushed since, the race is lost, and not forgotten.
            self.base = base
        self._whole = True
        key = (self.base, manifest)
        if key not in self._histories:
            found = history(self.git, self.base, self._ledger.tip, manifest, complete=self._complete())
            self._histories[key] = found
        return self._histories[key].without(others)

    def made(self, commits: Iterable[str]) -> dict[str, Made]:
        """Return who made commits, as far as they are here, and what git says of their signatures."""
        return made(self.git, commits)

    def record(self, manifest: str, commit: str, message: str, progress: Callable[[str], None]) -> None:
        """Note in the ledger what a commit that has landed says, with whatever the ledger lacks; see `recorded`."""
        said = trailers_of(message)
        if not said:
            return
        known = [found for (_, name), found in self._histories.items() if name == manifest]
        earlier = known[-1].unrecorded[::-1] if known else ()
        commits = [*earlier, Commit(sha=commit, message=said)]
        self.recorded = self._ledger.add(commits, manifest, raced=race)
        if not self.recorded:
            progress(f"The server does not accept {self._ledger.ref}: a rewritten branch will forget this commit")

    def commit(self, manifest: str, text: str, message: str) -> str:
        """Make a commit on top of the branch that sets one file, and return it."""
        mode = self.entry(manifest).mode
        blob = self.git.text("hash-object", "-w", "--stdin", stdin=text.encode("utf-8"))
        self.git.run("read-tree", self.base)
        self.git.run("update-index", "--cacheinfo", f"{mode},{blob},{manifest}")
        tree = self.git.text("write-tree", "--missing-ok")
        return self.git.commit_tree(tree, [self.base], message)

    def publish(self, manifest: str, text: str, message: str) -> tuple[str, Refusal | None]:
        """Commit a file on top of the branch and push, or have the platform do both; return the commit as well."""
        if not self.route.by_platform:
            commit = self.commit(manifest, text, message)
            return commit, self.push(commit)
        commit, refusal = self.by_platform(self.branch, manifest, text, message)
        if refusal is None:
            self._fetch()
        return commit, refusal

    def by_platform(self, branch: str, manifest: str, text: str, message: str) -> tuple[str, Refusal | None]:
        """Have the platform commit a file on a branch that points where this one does; see `commit_on`."""
        if self.entry(manifest).mode != "100644":
            raise OptionsError(
                f"manifest {manifest}: it is executable, and a commit by the API would make it a plain file",
                advice=f"Set commit-with: git, or make it one (git update-index --chmod=-x {manifest}).",
            )
        content = text.encode("utf-8")
        return commit_on(api(self.route), branch, expected=self.base, path=manifest, content=content, message=message)

    def landed(self, commit: str, onto: str, message: str) -> str:
        """Return what landed onto a commit though nobody said so: the one pushed, or of this message; else empty."""
        if commit:
            return commit if self.holds(commit) else ""
        form = "--format=%H%x00%P%x00%B%x00"
        told = self.git.run("log", "--no-show-signature", "--encoding=UTF-8", form, f"{onto}..{self.base}").output
        fields = told.decode("utf-8", "replace").split("\0")
        made = zip(fields[::3], fields[1::3], fields[2::3], strict=False)
        return next((sha.strip() for sha, on, said in made if on == onto and same_message(said, message)), "")

    def worded(self, message: str) -> str:
        """Return a commit's message in the user's words, signed off if he wants it."""
        return worded(self.route.template, message, self.git.identity if self.route.sign_off else "")

    def push(self, commit: str) -> Refusal | None:
        """Push a commit, fast-forward only; return None, or why another attempt may help.

        Raises:
            UnavailableError: the push was refused for good.
        """
        result = self.git.attempt("push", "--porcelain", "--", self.git.address, f"{commit}:refs/heads/{self.branch}")
        if result.done:
            self.base = commit
            if re.search(r"^\*\t", result.output.decode("utf-8", "replace"), re.M):  # so git marks a new branch
                raise UnavailableError(
                    f"The branch {self.branch} was deleted during this run, and pushing {commit[:12]} re-created it.",
                    advice="Delete it again or keep it; then run again.",
                )
            return None
        words = without_secrets(result.complaint, self.git.environ)
        said = result.output.decode("utf-8", "replace")
        why = verdict(said)
        if race(said):
            return Refusal(words=why, certain=True)
        if not why and TRANSIENT.search(words):
            return Refusal(words=words, certain=False)
        raise UnavailableError(
            f"The push to {self.branch} was rejected: {why + ': ' if why else ''}{words}",
            advice="Check the token's permissions and the branch's rules.",
        )

    def refresh(self) -> None:
        """Take the branch as it is now."""
        self._fetch()

    def holds(self, commit: str) -> bool:
        """Whether the branch holds a commit, as far as it is known here."""
        return self.git.attempt("merge-base", "--is-ancestor", commit, self.base).done

    def open(self) -> None:
        """Fetch the newest commits of the branch."""
        self.git.run("init", "--quiet", "--bare", ".")
        self._fetch(f"--depth={_DEPTH}")

    def _fetch(self, *options: str, source: str = "", seconds: float = SECONDS) -> None:
        """Fetch the branch and its ledger; a server that stumbles is asked again."""
        wanted = (f"+refs/heads/{self.branch}:{_TIP}", REFSPEC)
        arguments = ["fetch", "--quiet", "--no-tags", "--update-shallow", *options]
        arguments += ["--", source or self.git.address, *wanted]
        for attempt in range(1, _FETCHES + 1):
            result = self.git.attempt(*arguments, seconds=seconds)
            if result.done:
                break
            words = without_secrets(result.complaint, self.git.environ)
            if attempt == _FETCHES or not TRANSIENT.search(words):
                raise UnavailableError(
                    f"The branch {self.branch} of {redacted(self.git.address)} cannot be fetched: {words}",
                    advice="Check address, branch and credentials (CD4ML_GIT_TOKEN, or git's own).",
                )
            time.sleep(random.uniform(0, 0.5 * 2**attempt))
        self.base = self.git.text("rev-parse", "--verify", f"{_TIP}^{{commit}}")
        self.git.run("update-ref", _BASE, self.base)

    def entry(self, manifest: str) -> Entry:
        """Return mode and object of a file."""
        key = (self.base, manifest)
        if key not in self._entries:
            self._entries[key] = regular_file(self.git.run, self.base, manifest, self.branch)
        return self._entries[key]

    def _complete(self) -> bool:
        """Whether nothing is cut off of the branch: the server's own repository may be shallow."""
        cut = self._shallow()
        return not cut or cut.isdisjoint(self.git.run("rev-list", self.base).output.decode("ascii").split())

    def _shallow(self) -> set[str]:
        """Return the commits at which the clone is cut off."""
        file = self.git.folder / "shallow"
        return set(file.read_text().split()) if file.exists() else set()


@contextmanager
def clone(repository: str, branch: str, environ: Mapping[str, str], route: Route = Route()) -> Iterator[Clone]:
    """Fetch the newest commits of a branch into a temporary folder.

    Raises:
        OptionsError: the address or the branch is of no allowed form.
        UnavailableError: the repository cannot be reached, or has no such branch.
    """
    address, name = repository_address(repository), branch_name(branch)
    with tempfile.TemporaryDirectory(prefix="cd4ml-gitops-") as scratch:
        folder = Path(scratch)
        surroundings = with_key(environ, folder / "ssh")
        opened = Clone(folder=folder, address=address, branch=name, environ=surroundings, route=route)
        opened.open()
        yield opened


def land(
    repository: Clone,
    manifest: str,
    change: Callable[[str], str],
    message: str | Callable[[str, str], str],
    *,
    part: str | None = None,
    progress: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> str | None:
    """Change the manifest and push; on a lost race do it again on fresh state.

    Args:
        change: text now -> text wanted; called anew on every attempt, and may raise to give up.
        part: of the manifest, if it serves several applications.
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
        said = naming(message if isinstance(message, str) else message(before, after), manifest, part)
        onto, words = repository.base, repository.worded(said)
        commit, refusal = repository.publish(manifest, after, words)
        tried.append(commit)
        if refusal is None:
            repository.record(manifest, tried[-1], said, progress)
            return tried[-1]
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"No push landed in {DEADLINE:.0f} seconds and {len(tried)} attempts: {refusal.words}"
            )
        progress(f"The push did not land ({refusal.words[:200]}); trying again on fresh state")
        # Full jitter spreads the writers; without it they collide again and again.
        pause(random.uniform(0, min(_LONGEST_PAUSE, 0.05 * 2 ** min(len(tried), 10))))
        repository.refresh()
        if not refusal.certain and (commit := repository.landed(commit, onto, words)):
            repository.record(manifest, commit, said, progress)
            return commit
