"""The GitOps repository on GitHub, where more is asked than git can do: commits that the platform signs, and pull
requests.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.github.client import TOKEN, Client, RefusedError
from cd4ml.gitops.address import parts_of
from cd4ml.gitops.refusal import Refusal

GIT_TOKEN: Final = "CD4ML_GIT_TOKEN"
_GITHUB: Final = "github.com"
_SCP: Final = re.compile(r"[A-Za-z0-9._-]+@(?P<host>[A-Za-z0-9.-]+):(?P<path>.+)")
_NAME: Final = re.compile(r"/*(?P<name>[A-Za-z0-9._-]+/[A-Za-z0-9._-]+?)(\.git)?/*")
_COMMIT: Final = """\
mutation ($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }"""
_STUMBLES: Final = (429, 500, 502, 503, 504)
# How the platform says that the branch is not where it was: another writer was faster.
_STALE: Final = re.compile(r"STALE_DATA|Expected branch to point to", re.I)


def connected(repository: str, environ: Mapping[str, str], *, option: str) -> Client:
    """Return the API of the repository behind an address, with the token that git logs in with.

    Args:
        option: what needs the API, for messages.

    Raises:
        OptionsError: the address is not one of GitHub's, or there is no token.
    """
    host, name = _place(repository)
    # The job's own token is for the job's own server.
    beside = environ.get(TOKEN) if _server(environ) in (host, host.removeprefix("ssh.")) else ""
    token = (environ.get(GIT_TOKEN) or beside or "").strip()
    problems = []
    if not name:
        problems.append(f"{option} needs the address of a repository on GitHub, such as https://{_GITHUB}/OWNER/NAME")
    if not token:
        problems.append(f"{option} needs a token for GitHub's API: set {GIT_TOKEN}; on the job's server also {TOKEN}")
    elif not re.fullmatch(r"[!-~]+", token, re.ASCII):
        problems.append(f"{GIT_TOKEN} is not a token: it holds spaces, line breaks or letters beyond ASCII")
    if problems:
        raise OptionsError(problems)
    needs = f"a token with `contents: write` and `pull-requests: write` on {name}"
    return Client(api=_api(host, environ), repository=name, token=token, permissions=needs)


def commit_on(
    client: Client, branch: str, *, expected: str, path: str, content: bytes, message: str
) -> tuple[str, Refusal | None]:
    """Have the platform make and sign a commit on a branch; return it, or else why another attempt may help.

    Args:
        expected: the commit that the branch must point to.

    Raises:
        UnavailableError: it is refused for good, or the platform cannot be reached.
    """
    headline, _, body = message.partition("\n")
    wanted = {
        "branch": {"repositoryNameWithOwner": client.repository, "branchName": branch},
        "expectedHeadOid": expected,
        "message": {"headline": headline, "body": body.strip("\n")},
        "fileChanges": {"additions": [{"path": path, "contents": base64.b64encode(content).decode("ascii")}]},
    }
    try:
        answer = client.graphql(_COMMIT, {"input": wanted})
    except RefusedError as error:
        if error.status not in _STUMBLES:
            raise
        return "", Refusal(words=error.message, certain=False)
    with client.understood():
        errors = [f"{error.get('type', '')} {error['message']}".strip() for error in answer.get("errors") or ()]
        if not errors:
            return str(answer["data"]["createCommitOnBranch"]["commit"]["oid"]), None
    words = "; ".join(errors)[:600]
    if _STALE.search(words):
        return "", Refusal(words=words, certain=True)
    raise UnavailableError(
        f"The commit on {branch} was rejected: {words}", advice="Check the token's permissions and the branch's rules."
    )


def demand_messages(client: Client, *, merged: bool) -> None:
    """Check that the API answers, and that a merge keeps what commits say: later runs know from it what was deployed.

    Args:
        merged: whether the commit goes through a merge.

    Raises:
        OptionsError: the repository's settings drop the messages of pull requests that are squashed, or it is not
            said what they do.
        UnavailableError: the API does not answer, or refuses the token.
    """
    found = client.json("GET", "")
    with client.understood():
        squashed = merged and found.get("allow_squash_merge") is not False
        kept = found.get("squash_merge_commit_message") if squashed else ""
    if kept is None:
        raise OptionsError(
            f"whether {client.repository} keeps the commit messages of pull requests that are squashed is not said: "
            "they say what was deployed",
            advice="Give the token `contents: write`, with which the API shows the settings, or forbid squash merging.",
        )
    if kept == "BLANK":
        raise OptionsError(
            f"{client.repository} drops the commit messages of pull requests that are squashed, which say what was "
            "deployed",
            advice="Set its default message for squash merging to one with the commit's or the pull request's text.",
        )


def _place(repository: str) -> tuple[str, str]:
    """Return the host, with its port, and owner/name; empty texts if the address is of another form."""
    scp = _SCP.fullmatch(repository)
    if scp and "://" not in repository:
        host, path = scp["host"], scp["path"]
    else:
        parts = parts_of(repository)
        # The port of ssh is not that of the API.
        host = (parts.hostname or "") if parts.scheme == "ssh" else parts.netloc.rpartition("@")[2]
        path = parts.path if parts.scheme in ("https", "http", "ssh") else ""
    named = _NAME.fullmatch(path)
    return (host.lower(), named["name"]) if host and named else ("", "")


def _api(host: str, environ: Mapping[str, str]) -> str:
    """Return the address of the API of a host; the job's own is taken for its own server alone."""
    server = _server(environ)
    own = (environ.get("GITHUB_API_URL") or "").rstrip("/")
    plain = host.removeprefix("ssh.")
    if own and server in (host, plain):
        return own
    return f"https://api.{_GITHUB}" if plain == _GITHUB else f"https://{host}/api/v3"


def _server(environ: Mapping[str, str]) -> str:
    """Return the host of the job's own server."""
    return urlsplit(environ.get("GITHUB_SERVER_URL") or f"https://{_GITHUB}").netloc.lower()
