"""What the worker knows, in one file that is replaced in one move: counts and how far was read belong together.

Whoever is killed goes on where the file says, and counts again what came after: nothing is lost, nothing is doubled.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from cd4ml.data.profile.cells import CategoryCells, Cells, NumberCells
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.metrics.drift.estimate import Expected
from cd4ml.worker.awaiting import Awaiting, Terms
from cd4ml.worker.awaiting_state import awaiting_of, told_of
from cd4ml.worker.counting import Counted, Counting
from cd4ml.worker.memory import Memory
from cd4ml.worker.windows import Arrivals, Rules, Windows
from cd4ml.writing import write_atomically

VERSION: Final = "1"
_KIND: Final = "cd4ml-monitor-state"
_ADVICE: Final = "Remove it: the worker then begins anew, with the events that are still there."


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was decided on a window that is closed.

    Attributes:
        end: of the window, in seconds.
        drifted: None if no verdict was reached.
        data: digest of what was counted.
    """

    end: float
    status: str
    drifted: bool | None
    retrain: bool
    worst_feature: str
    data: str
    summary: str


@dataclass(kw_only=True)
class State:
    """Everything that outlives the process.

    Attributes:
        basis: digest of what the counts are in: reference, features, demands and windows.
        positions: of each source, by its name; `label_positions` of those of labels.
        verdicts: of the newest windows, newest first.
        statuses: windows by the status of their reports.
        numbers: what is shown of the newest report, by metric and feature or rule.
        left_out: events that an earlier worker had counted on another basis, in windows that were open.
    """

    basis: str
    windows: Windows
    positions: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    numbers: dict[str, dict[str, float]] = field(default_factory=dict)
    left_out: int = 0
    label_positions: dict[str, Mapping[str, Any]] = field(default_factory=dict)


def write(path: Path, state: State) -> None:
    """Write the state.

    Raises:
        UnavailableError: it cannot be written.
    """
    windows = state.windows
    arrays: dict[str, Any] = {"older": windows.memory.older, "newer": windows.memory.newer}
    opened = {}
    for number, counted in windows.open.items():
        document, grids = _counted(counted)
        opened[str(number)] = document
        arrays[f"window{number}"] = grids
    told = {
        "kind": _KIND,
        "version": VERSION,
        "basis": state.basis,
        "hashes": pl.__version__,
        "seconds": windows.rules.seconds,
        "started": windows.started,
        "newest": windows.newest,
        "closed": windows.closed,
        "open": opened,
        "arrivals": _told(windows.arrivals),
        "totals": _told(windows.totals),
        "positions": state.positions,
        "verdicts": [asdict(one) for one in state.verdicts],
        "statuses": state.statuses,
        "numbers": state.numbers,
        "left_out": state.left_out,
        "label_positions": state.label_positions,
    }
    if windows.awaiting:
        told["awaiting"], waiting = told_of(windows.awaiting)
        arrays |= waiting
    arrays["told"] = np.frombuffer(json.dumps(told, allow_nan=False).encode(), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    write_atomically(path, stream.getvalue())


def read(
    path: Path,
    basis: str,
    rules: Rules,
    counting: Counting,
    *,
    remembered: int,
    now: float,
    terms: Terms | None = None,
) -> State:
    """Return the state that is there, or that of a worker which has read nothing.

    Args:
        terms: on which labels are waited for, None if they are not.

    Raises:
        OptionsError: the file is no state, or a damaged one.
        UnavailableError: it cannot be read.
    """
    fresh = Windows(
        rules=rules,
        counting=counting,
        memory=Memory(remembered),
        started=now,
        awaiting=Awaiting(terms=terms) if terms else None,
    )
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            told = json.loads(arrays["told"].tobytes())
            if told["kind"] != _KIND or told["version"] != VERSION:
                raise ValueError("of another kind or version")
            return _state(told, arrays, basis, fresh, remembered)
    except FileNotFoundError:
        return State(basis=basis, windows=fresh)
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise OptionsError(
            f"{path} is not a state of cd4ml monitor, or it is damaged: {error}", advice=_ADVICE
        ) from error


def is_state(path: Path) -> bool:
    """Whether a file is the state of a worker."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return bool(json.loads(arrays["told"].tobytes())["kind"] == _KIND)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return False


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other workers from the state; two of them would count every event twice.

    Raises:
        OptionsError: another worker has it.
        UnavailableError: the lock cannot be written.
    """
    place = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnavailableError(f"{place} cannot be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OptionsError(f"another worker uses {path}", advice="Give each worker a state of its own.") from None
        yield
    finally:
        os.close(lock)


def _state(told: Mapping[str, Any], arrays: Any, basis: str, fresh: Windows, remembered: int) -> State:
    """Return a state from what was written."""
    windows = fresh
    terms = windows.awaiting.terms if windows.awaiting else None
    if told["hashes"] == pl.__version__:
        windows.memory = Memory(remembered, arrays["older"], arrays["newer"])
    windows.started, windows.newest, windows.closed = told["started"], told["newest"], told["closed"]
    windows.arrivals, windows.totals = _arrivals(told["arrivals"]), _arrivals(told["totals"])
    left_out = told["left_out"]
    same = told["basis"] == basis
    for number, document in told["open"].items():
        if same:
            windows.open[int(number)] = _read_counted(document, arrays[f"window{number}"], windows.counting.empty())
        else:
            left_out += document["events"]
    # Another Polars has other hashes; what waited on another reference is not compared with this one.
    if terms and same and told["hashes"] == pl.__version__ and "awaiting" in told:
        windows.awaiting = awaiting_of(terms, told["awaiting"], arrays)
    if windows.closed is not None:  # windows may have had another length
        windows.closed = (windows.closed + 1) * told["seconds"] // windows.rules.seconds - 1
    return State(
        basis=basis,
        windows=windows,
        positions=dict(told["positions"]),
        verdicts=[Verdict(**one) for one in told["verdicts"]],
        statuses=Counter(told["statuses"]),
        numbers=told["numbers"],
        left_out=left_out,
        label_positions=dict(told.get("label_positions", {})),
    )


def _told(arrivals: Arrivals) -> dict[str, Any]:
    """Return arrivals as plain data."""
    return {"counts": arrivals.counts, "named": arrivals.named}


def _arrivals(document: Mapping[str, Any]) -> Arrivals:
    """Return arrivals from plain data."""
    return Arrivals(counts=Counter(document["counts"]), named=dict(document["named"]))


def _counted(counted: Counted) -> tuple[dict[str, Any], Any]:
    """Return what was counted as plain data, and the counts of all grids in one array."""
    cells = {name: _gaps(one) for name, one in counted.cells.items()}
    grids = [one.counts for one in counted.cells.values() if isinstance(one, NumberCells)]
    document = {
        "events": counted.events,
        "featured": counted.featured,
        "cells": cells,
        "mistyped": counted.mistyped,
        "broken": counted.broken,
        "models": counted.models,
        "expected": asdict(counted.expected),
    }
    return document, np.concatenate([np.empty(0, dtype=np.int64), *grids])


def _gaps(cells: Cells) -> dict[str, Any]:
    """Return what is counted beside the grid."""
    told: dict[str, Any] = {"nulls": cells.nulls, "nans": cells.nans, "infinite": cells.infinite}
    if isinstance(cells, NumberCells):
        return {**told, "fractional": cells.fractional}
    return {**told, "counts": cells.counts, "identifiers": cells.identifiers}


def _read_counted(document: Mapping[str, Any], grids: Any, empty: Counted) -> Counted:
    """Return what was counted from plain data; grids follow each other in the order of the features."""
    at = 0
    cells: dict[str, Cells] = {}
    for name, told in document["cells"].items():
        like = empty.cells[name]
        if isinstance(like, NumberCells):
            size = len(like.counts)
            cells[name] = NumberCells(grid=like.grid, counts=grids[at : at + size], **told)
            at += size
        else:
            cells[name] = CategoryCells(**told)
    return Counted(
        events=document["events"],
        featured=document["featured"],
        cells=cells,
        mistyped=Counter(document["mistyped"]),
        broken=Counter(document["broken"]),
        models=Counter(document["models"]),
        expected=Expected(**document["expected"]),
    )
