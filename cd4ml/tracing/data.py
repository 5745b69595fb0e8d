"""Whether the tables of the reports are still here: by their digests, by DVC's pointers and by Delta's versions.

A file may change; that is worth knowing. What a pin names may not: a pin that leads to other data is a contradiction.
Reports may come from anybody: only what lies in the working directory is looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from cd4ml.data.tables.places import addresses, dvc
from cd4ml.digests import sha256
from cd4ml.errors import Cd4mlError
from cd4ml.report import InputDigest
from cd4ml.report.trace import Looked, Source, Verdict
from cd4ml.tracing.records import Answer, Bundle, shown
from cd4ml.tracing.subject import Ids

NAME: Final = "data"
# Hashing it takes about a second; what is larger is named.
_LARGEST: Final = 1 << 30
_MOST_FILES: Final = 10_000
_DELTA: Final = re.compile(r"(?P<folder>.+)@(?P<version>\d+)")


def answer(verdicts: Sequence[Verdict], ids: Ids, *, same_commit: bool) -> Answer:
    """Return what the working directory has of the tables that reports name.

    Args:
        same_commit: whether the commit that is traced is checked out: DVC's pointers are then those of the run.
    """
    tables = {(one.path or one.name): one for verdict in verdicts for one in verdict.published.report.inputs}
    place = str(Path.cwd())
    if not tables:
        source = Source(name=NAME, place=place, looked=Looked.SILENT, message="no report names a table")
        return Answer(source=source)
    pointers = {dvc.target(one): one for one in _pointers(verdicts)} if same_commit else {}
    problems: list[str] = []
    notices: list[str] = []
    same = 0
    for path, table in tables.items():
        said, pinned = _compared(path, table, pointers)
        same += not said
        if said:
            (problems if pinned else notices).append(said)
    pinned_by = f", {len(pointers)} of them pinned by DVC" if pointers else ""
    message = f"{same} of {len(tables)} tables are here as the reports name them{pinned_by}"
    bundle = Bundle(ids=ids, told="the tables", problems=problems, notices=notices)
    return Answer(source=Source(name=NAME, place=place, looked=Looked.READ, message=message), bundles=[bundle])


def _compared(path: str, table: InputDigest, pointers: Mapping[Path, str]) -> tuple[str, bool]:
    """Return what is wrong with a table, empty if nothing is, and whether a pin says otherwise."""
    if addresses.is_address(path):
        return f"{shown(path)} was not compared: it is at an address", False
    if not _inside(path):
        return f"{shown(path)} was not compared: it is outside the working directory", False
    pin = pointers.get(Path(path)) or (path if _DELTA.fullmatch(path) else None)
    try:
        found = _digest(path)
        if found is not None and Path(path) in pointers:
            dvc.pointed_at(pointers[Path(path)])
    except Cd4mlError as error:
        return f"{shown(path)} was not compared: {error.message}", False
    except OSError as error:
        return f"{shown(path)} was not compared: {error.strerror}", False
    if found is None:
        most = f"{_LARGEST:,} bytes or {_MOST_FILES:,} files"
        return f"{shown(path)} was not compared: it is not here, or is larger than {most}", False
    if found == table.sha256:
        return "", False
    now = f"{shown(path)} has sha256:{found[:12]}… now, and had sha256:{table.sha256[:12]}… when it was judged"
    return (f"{now}, though {pin} pins it", True) if pin else (now, False)


def _inside(path: str) -> bool:
    """Whether a path stays in the working directory. Links are not followed: DVC's lead to its cache."""
    return ".." not in Path(path).parts and Path(os.path.abspath(path)).is_relative_to(Path.cwd())


def _digest(path: str) -> str | None:
    """Return the digest of a table as reports give it, None if it is not here or too large."""
    if (found := _DELTA.fullmatch(path)) and Path(found["folder"]).is_dir():
        from cd4ml.data.tables.opening import open_table  # reading Delta's log needs libraries

        return open_table(path).sha256()
    where = Path(path)
    within = [where] if where.is_file() else list(islice(where.rglob("*"), _MOST_FILES + 1))
    files = [one for one in within if one.is_file()]
    if not files or len(within) > _MOST_FILES or sum(one.stat().st_size for one in files) > _LARGEST:
        return None
    return sha256(where)


def _pointers(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Yield DVC's pointers: those that stages were told, and those that lie beside a table."""
    for verdict in verdicts:
        for text in _texts(verdict.published.options):
            if dvc.is_pointer(text) and _is_here(text.partition(":")[0]):
                yield text
        for table in verdict.published.report.inputs:
            beside = f"{table.path}.dvc"
            if not addresses.is_address(table.path) and _is_here(beside):
                yield beside


def _is_here(path: str) -> bool:
    """Whether a file lies in the working directory; a name that no file can have is none."""
    try:
        return _inside(path) and Path(path).is_file()
    except OSError:
        return False


def _texts(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of options."""
    for value in options.values():
        yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))
