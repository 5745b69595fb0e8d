"""Which repositories, branches and paths are accepted, and what git is told about them.

What comes from outside reaches git after `--`, never as an option, and over a transport that runs no program.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import SplitResult, urlsplit

from cd4ml.errors import OptionsError
from cd4ml.wording import redacted

_SCHEMES: Final = re.compile(r"(https|ssh|file)://[^\s\x00-\x1f]+|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^\s\x00-\x1f]+")
_LOOPBACK: Final = re.compile(r"http://([^/@\s]+@)?(127\.0\.0\.1|localhost|\[::1\])(:\d+)?/\S*")
_BRANCH: Final = re.compile(r"(?!-)(?!.*(\.\.|@\{|//|\.lock(/|$)))[A-Za-z0-9][A-Za-z0-9._/+-]*(?<![/.])")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# The token stays in the environment; git asks this once a server demands a login.
_HELPER: Final = '!f() {{ test "$1" != get || printf "{user}password=%s\\n" "$CD4ML_GIT_TOKEN"; }}; f'
# How this machine logs in and whom it trusts.
_KEPT: Final = frozenset(
    {"GIT_SSH_COMMAND", "GIT_SSH", "GIT_SSH_VARIANT", "GIT_ASKPASS", "GIT_CONFIG_GLOBAL"}
    | {"GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY"}
)
# Who commits, as CI systems name their bot. Not the dates: the order of deployments is told by the machine's clock.
_IDENTITY: Final = frozenset(f"GIT_{role}_{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL"))


def repository_address(repository: str) -> str:
    """Return the address for git; transports that run programs (`ext::`) and options are refused.

    Raises:
        OptionsError: it is neither an https or ssh address nor a local folder.
    """
    if _SCHEMES.fullmatch(repository) or _LOOPBACK.fullmatch(repository):
        parts_of(repository)
        return repository
    path = Path(repository)
    odd = repository.startswith("-") or "::" in repository or "://" in repository or _CONTROL.search(repository)
    if not odd and path.is_dir():
        return path.resolve().as_uri()
    raise OptionsError(
        f"repository {redacted(repository)!r} is neither an https or ssh address nor a local folder",
        advice="Use https://host/owner/name.git, git@host:owner/name.git or a path.",
    )


def parts_of(address: str) -> SplitResult:
    """Return the parts of an address.

    Raises:
        OptionsError: it has no such parts, such as `https://[x/owner/name`.
    """
    try:
        return urlsplit(address)
    except ValueError as error:
        raise OptionsError(f"repository {redacted(address)!r} is not an address: {error}") from error


def branch_name(branch: str) -> str:
    """Return the branch.

    Raises:
        OptionsError: it is not the name of a branch.
    """
    if not _BRANCH.fullmatch(branch):
        raise OptionsError(f"branch {branch!r} is not the name of a branch")
    return branch


def manifest_path(path: str) -> str:
    """Return the path of a manifest inside its repository.

    Raises:
        OptionsError: it leads out of the repository.
    """
    pure = PurePosixPath(path)
    bad = pure.is_absolute() or ".." in pure.parts or not pure.parts or path.startswith("-") or _CONTROL.search(path)
    foreign = any("\ud800" <= letter <= "\udfff" for letter in path)  # so Python shows bytes that are not UTF-8
    if bad or foreign or any(part.lower() == ".git" for part in pure.parts):
        raise OptionsError(f"manifest {path!r} must be a path inside the repository")
    return str(pure)


def environment(address: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return git's environment: no prompts, no other transports, and the token for this host alone."""
    loopback = ":http" if _LOOPBACK.fullmatch(address) else ""
    ours = {
        **{key: value for key, value in environ.items() if not key.startswith("GIT_") or (key in _KEPT and value)},
        **{key: environ[key] for key in _IDENTITY if environ.get(key, "").strip()},
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": f"https:ssh:file{loopback}",
        "LC_ALL": "C",
        "PATH": environ.get("PATH", os.defpath),
    }
    parts = parts_of(address) if "://" in address else None
    if environ.get("CD4ML_GIT_TOKEN") and parts and parts.scheme in ("https", "http"):
        host = parts.netloc.rpartition("@")[2]
        # Not a header: git would send that on to whatever host it is redirected to. The first entry keeps the
        # machine's own helpers from storing the token.
        # A user in the address is the one to log in as: access tokens of other servers demand a name of their own.
        helper = _HELPER.format(user="" if parts.username else "username=x-access-token\\n")
        helpers = (("credential.helper", ""), (f"credential.{parts.scheme}://{host}.helper", helper))
        ours["GIT_CONFIG_COUNT"] = str(len(helpers))
        for number, (key, value) in enumerate(helpers):
            ours |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return ours


def without_secrets(words: str, environ: Mapping[str, str]) -> str:
    """Return git's words in one line, without credentials of URLs and without the token."""
    token = environ.get("CD4ML_GIT_TOKEN")
    line = " ".join(words.split())
    return redacted(line.replace(token, "***") if token else line)[-600:]
