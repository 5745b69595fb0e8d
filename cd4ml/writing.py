"""Writing results: whole files, inside the workspace, and never over what is not a result."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.git import Checkout


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that it is either the old one or the whole new one; a text is written as UTF-8.

    Raises:
        UnavailableError: it cannot be written; nothing half-written stays.
    """
    scratch: Path | None = None
    with unwritable(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".cd4ml-", delete=False) as stream:
                scratch = Path(stream.name)
                stream.write(content.encode("utf-8") if isinstance(content, str) else content)
            os.chmod(scratch, 0o644)
            os.replace(scratch, path)
        except BaseException:
            if scratch:
                with suppress(OSError):
                    scratch.unlink()
            raise


def write_together(files: Mapping[Path, str], *, over: Collection[Path] = ()) -> None:
    """Write several text files, all or none.

    Args:
        over: those that may be there already.

    Raises:
        OptionsError: another one is there.
        UnavailableError: one cannot be written; none is left then, and what was there before is there again.
    """
    undo: list[Callable[[], object]] = []
    scratches: dict[Path, Path] = {}
    try:
        for path, text in files.items():
            with unwritable(path):
                folders = [folder for folder in path.parents if not folder.exists()]
                undo += [folder.rmdir for folder in reversed(folders)]
                path.parent.mkdir(parents=True, exist_ok=True)
                scratches[path] = _scratch(path, text)
        for path, scratch in scratches.items():
            with unwritable(path):
                undo.append(_put(scratch, path, over=path in over))
    except BaseException:
        for step in [*(scratch.unlink for scratch in scratches.values()), *reversed(undo)]:
            with suppress(OSError):
                step()
        raise
    for scratch in scratches.values():
        scratch.unlink(missing_ok=True)


def _scratch(path: Path, text: str) -> Path:
    """Write a text to a file of another name beside its place."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".cd4ml-", delete=False) as stream:
        stream.write(text)
    os.chmod(stream.name, 0o644)
    return Path(stream.name)


def _put(scratch: Path, path: Path, *, over: bool) -> Callable[[], object]:
    """Put a file in its place, and return what takes it away again."""
    if over and os.path.lexists(path):
        before = path.read_bytes()
        shutil.copymode(path, scratch)
        os.replace(scratch, path)
        return lambda: path.write_bytes(before)
    try:
        os.link(scratch, path)  # fails where one is there, unlike a move
    except FileExistsError:
        raise OptionsError(f"{path} was written meanwhile; it is not overwritten") from None
    return path.unlink


@contextmanager
def unwritable(path: Path | str) -> Iterator[None]:
    """Say in one sentence that a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror}.",
            advice="Free disk space, or name a place that can be written.",
        ) from error


def remove(path: Path) -> None:
    """Remove a result of an earlier run, if there is one: it must not pass for one of this run.

    Raises:
        UnavailableError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        return
    except OSError as error:
        raise UnavailableError(
            f"{path}, left by an earlier run, cannot be removed: {error.strerror}.",
            advice="Remove it, or name a place that can be written.",
        ) from error


def roots(environ: Mapping[str, str], working_directory: Path) -> tuple[Path, ...]:
    """Return the folders that results may be written to.

    On a runner, the workspace and the runner's temporary folder; elsewhere the repository around the working directory.
    """
    if environ.get("GITHUB_WORKSPACE"):
        named = [environ["GITHUB_WORKSPACE"], environ.get("RUNNER_TEMP", "")]
        return (working_directory, *(Path(folder) for folder in named if folder))
    top = Checkout(directory=working_directory, environ=environ).top()
    return (working_directory, *([top] if top else []))


def result(
    name: str,
    path: str,
    environ: Mapping[str, str],
    *,
    endings: Sequence[str],
    ours: Callable[[Path], bool],
) -> Path:
    """Return where a result goes.

    On a runner the files of a pull request say where, and may not say anywhere. Elsewhere an absolute path is the
    user's own choice.

    Args:
        name: the option that names the path.
        ours: whether a file that is there is a result of an earlier run, which may be replaced.

    Raises:
        OptionsError: the path is of another kind of file, leaves the workspace, or is of a file that is not a result.
    """
    target = Path(path)
    if not path.endswith(tuple(endings)):
        raise OptionsError(f"{name}: expected a file that ends in {' or '.join(endings)}, got {path!r}")
    refuse_outside(name, target, environ)
    refuse_other(name, target, ours)
    return target


def refuse_outside(name: str, target: Path, environ: Mapping[str, str]) -> None:
    """Refuse a place of a result that leaves the workspace; where it is allowed to, see `result`.

    Raises:
        OptionsError: it does.
    """
    if not target.is_absolute() or environ.get("GITHUB_WORKSPACE"):
        # The place itself, not what a link in that place points at: writing replaces the link.
        resolved = (Path.cwd() / target).parent.resolve() / target.name
        if not any(resolved.is_relative_to(root.resolve()) for root in roots(environ, Path.cwd())):
            raise OptionsError(f"{name}: {target} is outside the workspace", advice="Results are written inside it.")


def refuse_other(name: str, target: Path, ours: Callable[[Path], bool]) -> None:
    """Refuse to replace what is there and is not a result.

    Args:
        name: the option that names the path.
        ours: whether a file is a result of an earlier run.

    Raises:
        OptionsError: it is not.
    """
    if not os.path.lexists(target):
        return
    if not target.is_file():
        raise OptionsError(f"{name}: {target} is not a regular file")
    if target.stat().st_size and not ours(target):
        raise OptionsError(
            f"{name}: {target} exists and was not written by cd4ml; it is not overwritten",
            advice="Name another file, or move that one away.",
        )


def is_report(path: Path) -> bool:
    """Whether a file is a report of an earlier run."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "schema_version" in document and "status" in document
