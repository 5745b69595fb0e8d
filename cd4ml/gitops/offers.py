"""The branch of a pull request that asks for a change: one commit of the suite on top of the branch that it goes to."""

from __future__ import annotations

from cd4ml.errors import UnavailableError
from cd4ml.github.client import RefusedError
from cd4ml.gitops.address import without_secrets
from cd4ml.gitops.files import entry
from cd4ml.gitops.history import Commit
from cd4ml.gitops.repository import Clone
from cd4ml.gitops.route import api
from cd4ml.gitops.trailers import trailers_of

_EXISTS = 422


def offered(repository: Clone, branch: str) -> Commit | None:
    """Return what the newest commit of a request's branch says of itself; None if the branch is gone."""
    tip = _fetched(repository, branch)
    if not tip:
        return None
    time, message = (
        repository.git.run("log", "-1", "--format=%ct%x00%B", tip).output.decode("utf-8", "replace").split("\0")
    )
    return Commit(sha=tip, message=trailers_of(message), time=int(time))


def offer(repository: Clone, branch: str, manifest: str, text: str, message: str, *, kept: bool) -> str:
    """Put a commit that sets one file on a request's branch, on top of what the request goes to; return it.

    Args:
        kept: whether a request is open, so that what others did on the branch must stay.

    Raises:
        UnavailableError: others committed to the branch, or the push was rejected.
    """
    tip = _fetched(repository, branch)
    if tip and _says(repository, tip, manifest, text):
        return tip
    if tip and kept and not _ours(repository, tip):
        raise UnavailableError(
            f"Somebody else committed to {branch}, where a pull request is open.",
            advice="Merge or close that pull request, and run again.",
        )
    if repository.route.by_platform:
        return _by_platform(repository, branch, manifest, text, message, there=bool(tip))
    commit = repository.commit(manifest, text, message)
    lease = f"--force-with-lease=refs/heads/{branch}:{tip}"
    result = repository.git.attempt(
        "push", "--porcelain", lease, "--", repository.git.address, f"{commit}:refs/heads/{branch}"
    )
    if not result.done:
        words = without_secrets(result.complaint, repository.git.environ)
        raise UnavailableError(
            f"The push to {branch} was rejected: {words}",
            advice="Run again if another run pushed it; else check the token.",
        )
    return commit


def _by_platform(repository: Clone, branch: str, manifest: str, text: str, message: str, *, there: bool) -> str:
    """Have the platform make the commit, and move the branch to it.

    The commit is made on a branch beside it: a request whose branch points at its base for a moment is closed for good.
    """
    client, beside = api(repository.route), f"{branch}-next"
    _drop(repository, beside)  # of a run that was cut off
    client.json("POST", "git/refs", {"ref": f"refs/heads/{beside}", "sha": repository.base})
    try:
        commit, raced = repository.by_platform(beside, manifest, text, message)
        if raced:
            raise UnavailableError(f"The commit on {beside} was not made: {raced}", advice="Run again.")
        if there:
            client.json("PATCH", f"git/refs/heads/{branch}", {"sha": commit, "force": True})
        else:
            client.json("POST", "git/refs", {"ref": f"refs/heads/{branch}", "sha": commit})
    finally:
        _drop(repository, beside)
    return commit


def _drop(repository: Clone, branch: str) -> None:
    """Delete a branch, if it is there."""
    try:
        api(repository.route).json("DELETE", f"git/refs/heads/{branch}")
    except RefusedError as error:
        if error.status not in (404, _EXISTS):
            raise


def _fetched(repository: Clone, branch: str) -> str:
    """Fetch a branch, and return its newest commit; empty if there is no such branch."""
    ref = f"refs/heads/{branch}"
    listed = repository.git.run("ls-remote", "--", repository.git.address, ref).output.decode("ascii", "replace")
    tip = listed.partition("\t")[0]
    if tip:
        repository.git.run(
            "fetch",
            "--quiet",
            "--no-tags",
            "--update-shallow",
            "--",
            repository.git.address,
            f"+{ref}:refs/cd4ml/offer",
        )
        tip = repository.git.text("rev-parse", "--verify", "refs/cd4ml/offer^{commit}")
    return tip


def _ours(repository: Clone, tip: str) -> bool:
    """Whether a branch holds nothing but one commit of the suite beside what it goes to."""
    parents = repository.git.text("rev-list", "--parents", "-n", "1", tip).split()[1:]
    message = repository.git.run("log", "-1", "--format=%B", tip).output.decode("utf-8", "replace")
    return len(parents) == 1 and bool(trailers_of(message)) and repository.holds(parents[0])


def _says(repository: Clone, tip: str, manifest: str, text: str) -> bool:
    """Whether a branch asks for this very text already, and would still be merged without a conflict."""
    if not _ours(repository, tip):
        return False
    run = repository.git.run
    asked = run("cat-file", "blob", entry(run, tip, manifest).sha).output == text.encode("utf-8")
    return asked and entry(run, f"{tip}^", manifest) == repository.entry(manifest)
