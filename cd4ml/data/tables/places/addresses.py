"""Tables at addresses, which are fetched whole."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import SplitResult, urlsplit, urlunsplit

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.user_code import UserCodeError, user_code
from cd4ml.wording import installs


def is_address(written: str) -> bool:
    """Whether a name is an address and not one of a file."""
    return "://" in written


def public(address: str) -> str:
    """Return an address without user, password and query, which may be signed."""
    parts = _split(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _split(address: str) -> SplitResult:
    """Return the parts of an address; one that has none is quoted by its scheme alone, for the rest may be signed."""
    try:
        return urlsplit(address)
    except ValueError as error:
        raise OptionsError(f"{address.partition('://')[0]}://…: invalid address: {error}") from error


def fetch(address: str, folder: Path) -> Path:
    """Copy what is at an address (`s3://`, `gs://`, `https://` … as fsspec knows them) into a folder, whole.

    Raises:
        UnavailableError: it cannot be fetched.
    """
    target = folder / (_split(address).path.rstrip("/").rpartition("/")[2] or "table")
    try:
        with user_code():  # every file system has exceptions of its own
            import fsspec

            with fsspec.open(address, "rb") as remote, target.open("wb") as local:
                shutil.copyfileobj(remote, local, 1 << 20)
    except UserCodeError as error:
        advice = "Check that the address is right and that the step has access to it."
        if isinstance(error.__cause__, ImportError):
            advice = installs("tables")
        raise UnavailableError(f"{public(address)}: cannot be fetched: {error.raised.where}.", advice=advice) from error
    return target


def modified(address: str) -> datetime | None:
    """Return when what is at an address was written last; None where its file system does not tell.

    Raises:
        UnavailableError: it cannot be asked.
    """
    try:
        with user_code():  # every file system has exceptions of its own
            import fsspec

            files, path = fsspec.url_to_fs(address)
            try:
                found = files.modified(path)
            except NotImplementedError:
                return None
    except UserCodeError as error:
        raise UnavailableError(f"{public(address)}: cannot be asked for its time: {error.raised.where}.") from error
    if not isinstance(found, datetime):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
