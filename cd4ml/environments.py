"""Running uv for environments that stages make, apart from the caller's project and Python."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cd4ml.context import Context
from cd4ml.errors import UnavailableError
from cd4ml.process.programs import completed
from cd4ml.wording import redacted

_MOST_SECONDS: Final = 3600.0
_CALLERS_PYTHON: Final = frozenset(
    {
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "PYTHONPATH",
        "PYTHONHOME",
        "UV_PROJECT_ENVIRONMENT",
        "UV_SYSTEM_PYTHON",
        "UV_PYTHON",
    }
)


def uv(arguments: Sequence[str], context: Context, *, given: str | None = None) -> str:
    """Run uv in the cache folder, so that the caller's project settings take no part, and return what it printed.

    Raises:
        UnavailableError: it failed; the message holds its last words.
    """
    context.cache.mkdir(parents=True, exist_ok=True)
    name = f"uv {' '.join(arguments[:2])}"
    result = completed(
        [program(), *arguments],
        environ=without_python(context.environ),
        folder=context.cache,
        stdin=(given or "").encode(),
        seconds=_MOST_SECONDS,
        name=name,
    )
    if not result.done:
        # An index may be named with its password.
        words = redacted(" ".join(result.complaint.split()))[-600:]
        raise UnavailableError(f"{name} failed: {words}")
    return result.text


def program() -> str:
    """Return the path of the uv that belongs to this environment."""
    from uv import find_uv_bin

    return str(find_uv_bin())


def without_python(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what points at the caller's Python."""
    return {key: value for key, value in environ.items() if key not in _CALLERS_PYTHON}


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Let one process at a time make an environment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def lock_file(name: str) -> Path:
    """Return a hash-locked requirements file of this project, in a checkout or in an installed package."""
    package = Path(__file__).parent
    for folder in (package.parent / "requirements", package / "requirements"):
        if (folder / f"{name}.txt").is_file():
            return folder / f"{name}.txt"
    raise UnavailableError(f"requirements/{name}.txt is missing from this installation of cd4ml.")
