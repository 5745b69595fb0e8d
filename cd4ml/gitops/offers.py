"""The branch of a pull request that asks for a change: one commit of the suite on top of the branch that it goes to."""

from __future__ import annotations

from urllib.parse import quote

from cd4ml.digests import bytes_sha256
from cd4ml.errors import UnavailableError
from cd4ml.github.client import RefusedError
from cd4ml.gitops.address import without_secrets
from cd4ml.gitops.files import entry
from cd4ml.gitops.history import Commit
from cd4ml.gitops.messages import same_message
from cd4ml.gitops.repository import Clone
from cd4ml.gitops.route import api
from cd4ml.gitops.trailers import SEAL, trailers_of

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
        kept: whether a request is open, for messages: what others did on the branch stays in any case.

    Raises:
        UnavailableError: others committed to the branch, or the push was rejected.
    """
    tip, message = _fetched(repository, branch), sealed(message, text)
    if tip and _says(repository, tip, manifest, message):
        return tip
    if tip and not _ours(repository, tip, manifest) and not repository.holds(tip):
        raise UnavailableError(
            f"Somebody else committed to {branch}" + (", where a pull request is open." if kept else "."),
            advice="Merge or close its pull request and delete the branch, and run again.",
        )
    if repository.route.by_platform:
        return _by_platform(repository, branch, manifest, text, message, tip=tip)
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


def _by_platform(repository: Clone, branch: str, manifest: str, text: str, message: str, *, tip: str) -> str:
    """Have the platform make the commit, and move the branch to it.

    The commit is made on a branch beside it: a request whose branch points at its base for a moment is closed for good.

    Args:
        tip: what the branch points to; empty if there is none.
    """
    client, beside = api(repository.route), f"{branch}-next"
    _drop(repository, beside)  # of a run that was cut off
    client.json("POST", "git/refs", {"ref": f"refs/heads/{beside}", "sha": repository.base})
    try:
        commit, refusal = repository.by_platform(beside, manifest, text, message)
        if refusal:
            raise UnavailableError(f"The commit on {beside} was not made: {refusal.words}", advice="Run again.")
        if tip and _fetched(repository, branch) != tip:  # the API moves a branch by force, whatever it holds
            raise UnavailableError(f"Somebody else committed to {branch} meanwhile.", advice="Run again.")
        if tip:
            client.json("PATCH", f"git/refs/heads/{quote(branch)}", {"sha": commit, "force": True})
        else:
            client.json("POST", "git/refs", {"ref": f"refs/heads/{branch}", "sha": commit})
    finally:
        _drop(repository, beside)
    return commit


def _drop(repository: Clone, branch: str) -> None:
    """Delete a branch, if it is there."""
    try:
        api(repository.route).json("DELETE", f"git/refs/heads/{quote(branch)}")
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


def sealed(message: str, text: str) -> str:
    """Return a message with a last line by which the suite knows its own commit again: a digest of message and text."""
    return f"{message.rstrip()}\n{SEAL}: sha256:{_seal(message, text)}\n"


def _seal(message: str, text: str) -> str:
    """Return the digest."""
    lines = [line.rstrip() for line in message.split("\n") if line.strip()]
    return bytes_sha256("\n".join([*lines, "", text]).encode())


def _message(repository: Clone, commit: str) -> str:
    """Return a commit's message."""
    return repository.git.run("log", "-1", "--encoding=UTF-8", "--format=%B", commit).output.decode("utf-8", "replace")


def _ours(repository: Clone, tip: str, manifest: str) -> bool:
    """Whether a branch holds nothing but one commit of the suite, as it was made, beside what it goes to."""
    run = repository.git.run
    parents = repository.git.text("rev-list", "--parents", "-n", "1", tip).split()[1:]
    if len(parents) != 1 or not repository.holds(parents[0]):
        return False
    changed = (
        run("diff-tree", "--no-commit-id", "--name-only", "--no-renames", "-r", "-z", tip).output.decode().split("\0")
    )
    before, _, seal = _message(repository, tip).rstrip().rpartition(f"\n{SEAL}: sha256:")
    held = entry(run, tip, manifest)
    if changed[:-1] != [manifest] or not seal or not held.mode:
        return False
    text = run("cat-file", "blob", held.sha).output.decode("utf-8", "replace")
    return seal == _seal(before, text)


def _says(repository: Clone, tip: str, manifest: str, message: str) -> bool:
    """Whether a branch makes this very commit already, and would still be merged without a conflict."""
    if not _ours(repository, tip, manifest) or not same_message(_message(repository, tip), message):
        return False  # the last line of a message is a digest of the text as well
    return entry(repository.git.run, f"{tip}^", manifest) == repository.entry(manifest)
