"""Asking git, without letting the repository that is asked run anything.

git refuses repositories of another user, because their configuration may name programs that git then runs. A container
job's checkout is such a repository. What is asked here only reads: so git is told to answer, and every setting that
could make it run a program while it reads is overruled.

A folder that holds `HEAD`, `objects` and `refs` is a repository for git too, with a history and a configuration of its
own. A change can commit such a folder, so none of them answers for the repository around it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Final

from cd4ml.process.programs import Completed, NotCompletedError, completed
from cd4ml.wording import holds_secret

# A checked-out tree is data: neither its hooks nor its file-system monitor may run on our behalf.
SAFE: Final = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
# A folder of the tree that looks like a bare repository is none (git 2.38 and later; `Checkout.bare` for others).
_NOT_BARE: Final = ("-c", "safe.bareRepository=explicit")
# In a hook, git says by these which repository it means.
_PLACES: Final = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"}
    | {"GIT_NAMESPACE", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_EXTERNAL_DIFF", "GIT_CEILING_DIRECTORIES"}
)
# What git says of a repository of another user, in every language.
_REFUSED: Final = b"safe.directory"
# In a repository of another user no signature is verified by its `gpg.program`, nothing is fetched by its `sshCommand`,
# and no index is written that its owner could not replace.
_FOREIGN: Final = ("--no-pager", "-c", "log.showSignature=false", "-c", "diff.external=", "-c", "core.pager=cat")
_FOREIGN_ENVIRON: Final = {"GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}
# A filter that nobody has: git lists it if it reads settings from the environment (2.31 and later).
_PROBE: Final = "filter.cd4ml-probe.required"
_FILTER: Final = re.compile(r"filter\.(?P<name>.+)\.(?:clean|smudge|process|required)", re.I | re.S)
_PLAIN_DIFF: Final = ("--no-ext-diff", "--no-textconv", "--no-renames", "--ignore-submodules")
_SECONDS: Final = 120.0
# A commit in full.
SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ABBREVIATED: Final = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True, kw_only=True)
class Described:
    """A commit as it describes itself; `time` is RFC 3339, `signed` says nothing about who signed."""

    sha: str
    title: str
    author: str
    time: str
    signed: bool


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """The repository around a folder, whichever one the variables of a hook may speak of."""

    directory: Path
    environ: Mapping[str, str] = field(repr=False)

    def head(self) -> str | None:
        """Return the commit that is checked out; None without a repository, a commit or git."""
        return self._ask("rev-parse", "--verify", "--quiet", "HEAD") or None

    def committed(self, commit: str) -> int | None:
        """Return when a commit was made, in seconds since 1970; None if that is not known here."""
        answer = (
            self._ask("log", "-1", "--format=%ct", "--no-show-signature", commit) if SHA.fullmatch(commit) else None
        )
        return int(answer) if answer and answer.isdigit() else None

    def described(self, commit: str) -> Described | None:
        """Return a commit, which may be written short; None if it is not here, or there are several."""
        if not _ABBREVIATED.fullmatch(commit):
            return None
        fields = "%H%x00%s%x00%an <%ae>%x00%cI"
        told = self._ask("log", "-1", f"--format={fields}", "--no-show-signature", "--encoding=UTF-8", commit, "--")
        if told is None or told.count("\0") != 3:
            return None
        sha, title, author, time = told.split("\0")
        head = (self._ask("cat-file", "commit", sha) or "").partition("\n\n")[0]
        return Described(sha=sha, title=title, author=author, time=time, signed="\ngpgsig" in head)

    def top(self) -> Path | None:
        """Return the repository's own folder; None outside one."""
        answer = self._ask("rev-parse", "--show-toplevel")
        return Path(answer) if answer else None

    def modified(self) -> list[str] | None:
        """Return the tracked files that differ from the commit that is checked out, None if git does not say."""
        arguments = ("--name-only", "-z", "--no-ext-diff", "--no-textconv", "--ignore-submodules=untracked", "HEAD")
        answer = self._answer("diff", *arguments)
        return None if answer is None else sorted(filter(None, answer.decode("utf-8", "replace").split("\0")))

    def files(self, path: str) -> list[Path]:
        """Return the files below a path that git tracks or would track, relative to this folder; empty outside one."""
        return self._listed("--cached", "--others", "--exclude-standard", "--", path)

    def tracks(self, path: str) -> bool:
        """Whether git tracks a file, or any below a folder."""
        return bool(self._listed("--cached", "--", path))

    def ignored(self, path: str) -> list[Path]:
        """Return what git ignores below a path; of a folder that is ignored as a whole, the folder."""
        return self._listed("--others", "--ignored", "--exclude-standard", "--directory", "--", path)

    def ignores(self, path: Path) -> bool:
        """Whether git ignores a path; a tracked one, one outside the repository and one behind a link it does not."""
        return self._answer("check-ignore", "--quiet", "--", str(path)) is not None

    def merge_base(self, other: str) -> str | None:
        """Return the commit at which this branch left another; None if that is not known here."""
        return None if other.startswith("-") else self._ask("merge-base", other, "HEAD")

    def different(self, commit: str) -> list[Path] | None:
        """Return the tracked files below this folder that differ from a commit, relative to it; None if git fails."""
        return _names(self._answer("diff", "--name-only", "--relative", "-z", *_PLAIN_DIFF, commit, "--", "."))

    def diff(self, commit: str) -> str | None:
        """Return how the files below this folder differ from a commit, without context; None if git fails.

        Paths are relative to this folder.
        """
        options = ("--unified=0", "--no-color", "--no-prefix", "--relative", *_PLAIN_DIFF)
        answer = self._answer("-c", "core.quotePath=false", "diff", *options, commit, "--", ".")
        return None if answer is None else answer.decode("utf-8", "replace")

    def files_at(self, commit: str) -> list[Path] | None:
        """Return the files below this folder that a commit has, relative to it; None if git fails."""
        return _names(self._answer("ls-tree", "-r", "--name-only", "-z", commit, "--", "."))

    def _listed(self, *arguments: str) -> list[Path]:
        """Return paths that git lists."""
        return sorted(set(_names(self._answer("--literal-pathspecs", "ls-files", "-z", *arguments)) or []))

    def committed_at(self, commit: str) -> int | None:
        """Return when a commit was made, in seconds since 1970; None if the repository does not know it."""
        answer = self._ask("show", "--no-patch", "--format=%ct", commit) if SHA.fullmatch(commit) else None
        return int(answer) if answer and answer.isdigit() else None

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether the first commit is part of the second one's history, as far as the repository knows it."""
        if not (SHA.fullmatch(older) and SHA.fullmatch(newer)):
            return False
        return self._ask("merge-base", "--is-ancestor", older, newer) is not None

    @property
    def shallow(self) -> bool:
        """Whether the clone holds only a part of the history."""
        return self._ask("rev-parse", "--is-shallow-repository") == "true"

    def branch(self) -> str | None:
        """Return the branch that is checked out, None if there is none."""
        return self._ask("symbolic-ref", "--quiet", "--short", "HEAD") or None

    def remote_address(self) -> str | None:
        """Return the address of the remote `origin`, None if there is none; it may hold a password."""
        return self._ask("config", "--get", "remote.origin.url") or None

    def pushed(self, commit: str) -> bool | None:
        """Whether a branch of a remote holds a commit, as far as this clone knows; None if there is no remote."""
        remotes = self._ask("remote")
        if not remotes or not SHA.fullmatch(commit):
            return None
        holding = self._ask("for-each-ref", "--count=1", "--format=%(refname)", f"--contains={commit}", "refs/remotes")
        return None if holding is None else bool(holding)

    def _ask(self, *arguments: str) -> str | None:
        """Return git's answer as one text; None if it has none, or there is no git."""
        answer = self._answer(*arguments)
        return None if answer is None else answer.decode("utf-8", "replace").strip()

    def refused(self) -> str | None:
        """Return why git is not let answer: a bare repository in the way, or another user's; None if it is."""
        if bare := self.bare:
            return (
                f"{bare} holds HEAD, objects and refs, so that git takes the folder for a repository of its own: "
                "nothing is asked there"
            )
        result = self._run(*self._trusting, "rev-parse", "--git-dir")
        if result is None or _REFUSED not in result.errors:
            return None
        return " ".join(result.complaint.split("To add an exception")[0].split())

    @property
    def foreign(self) -> bool:
        """Whether git takes the repository for another user's."""
        result = self._run("rev-parse", "--git-dir")
        return result is not None and _REFUSED in result.errors

    def _answer(self, *arguments: str) -> bytes | None:
        """Return git's answer; None if it has none, or there is no git."""
        result = self._run(*arguments)
        # `git diff` does not say that it was refused: it compares files instead, or prints how it is used.
        if result is not None and not result.done and (_REFUSED in result.errors or self.foreign):
            listing = (*self._trusting, "config", "--name-only", "-z", "--get-regexp", r"^filter\.")
            filters = self._run(*listing, settings={_PROBE: "false"})
            if filters is None or filters.code not in (0, 1):  # 1: there are none
                return None
            words, settings = _without_filters(filters.text)
            if settings and _PROBE not in filters.text.split("\0"):
                return None
            result = self._run(*self._trusting, *_FOREIGN, *words, *arguments, settings=settings, **_FOREIGN_ENVIRON)
        return result.output if result is not None and result.done else None

    @property
    def _trusting(self) -> tuple[str, ...]:
        """git's options to answer about the repository around this folder, whoever owns it, and about no other."""
        folder = self._way_up[0]
        top = next((place for place in self._way_up if (place / ".git").exists()), folder)
        return ("-c", f"safe.directory={top}")

    @property
    def _way_up(self) -> tuple[Path, ...]:
        """The folders in which git looks for a repository, in its order."""
        folder = Path(os.path.abspath(self.directory)).resolve()
        return (folder, *folder.parents)

    @property
    def bare(self) -> Path | None:
        """The folder that git would take for a bare repository before it comes to a `.git`; None if there is none."""
        before = takewhile(lambda place: not os.path.lexists(place / ".git"), self._way_up)
        return next((place for place in before if _looks_bare(place)), None)

    def _run(self, *arguments: str, settings: Mapping[str, str] | None = None, **variables: str) -> Completed | None:
        """Run git; None if there is no git, it does not end, or a bare repository would answer.

        Args:
            settings: of git's configuration, for this run, whatever their names hold.
            variables: of the environment.
        """
        if self.bare:
            return None
        environ = _with_settings(_own(self.environ), settings or {})
        command = ["git", *SAFE, *_NOT_BARE, *arguments]
        environ = {**environ, **variables}
        try:
            return completed(command, environ=environ, folder=self.directory, seconds=_SECONDS, brief=True)
        except NotCompletedError:
            return None


def _own(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a question: it means no other repository, and holds no secret that it could need."""
    kept = {key: value for key, value in environ.items() if key not in _PLACES and not holds_secret(key)}
    return {"PATH": os.defpath, **kept}


def _with_settings(environ: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with settings of git behind those that it has, so that they overrule them."""
    if not settings:
        return dict(environ)
    given = environ.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdecimal() else 0
    numbered = dict(environ)
    for number, (name, value) in enumerate(settings.items(), first):
        numbered |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return {**numbered, "GIT_CONFIG_COUNT": str(first + len(settings))}


def _looks_bare(folder: Path) -> bool:
    """Whether git would take a folder for a repository without a working tree."""
    if not os.path.lexists(folder / "HEAD"):
        return False
    return (folder / "commondir").exists() or ((folder / "objects").exists() and (folder / "refs").exists())


def _without_filters(listed: str) -> tuple[list[str], dict[str, str]]:
    """Return what lets no filter run that is listed: git's options, and settings for the environment.

    An option ends its name at the first `=`, so that a filter whose own name holds one cannot be named by it.
    """
    names = {found["name"] for setting in listed.split("\0") if (found := _FILTER.fullmatch(setting))}
    ways = {"clean": "", "smudge": "", "process": "", "required": "false"}
    every = {f"filter.{name}.{way}": value for name in sorted(names) for way, value in ways.items()}
    words = [word for name, value in every.items() if "=" not in name for word in ("-c", f"{name}={value}")]
    return words, {name: value for name, value in every.items() if "=" in name}


def _names(answer: bytes | None) -> list[Path] | None:
    """Return the paths of an answer that ends each with a zero byte, as the file system writes them."""
    return None if answer is None else [Path(os.fsdecode(name)) for name in answer.split(b"\0") if name]
