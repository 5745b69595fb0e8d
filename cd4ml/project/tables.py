"""The tables of a project: which holds training rows, test rows, predictions."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cd4ml.data.tables.places import dvc
from cd4ml.errors import OptionsError
from cd4ml.project import headers
from cd4ml.project.findings import Finding, TableFile, Tables
from cd4ml.project.python import Module, argument, called, is_test
from cd4ml.project.tree import Tree
from cd4ml.project.words import words
from cd4ml.yaml_text import texts

# Reading every value of a larger table takes longer than a first look may.
LARGEST: Final = 2 << 30
_MOST_TABLES: Final = 200
_READS: Final = ("read_csv", "read_parquet", "read_table", "read_feather", "scan_csv", "scan_parquet")
_PATHS: Final = ("filepath_or_buffer", "path", "source", "io", "file")
_TRAIN: Final = frozenset({"train", "training"})
_TEST: Final = frozenset({"test", "testing", "holdout"})
_OTHER_SPLITS: Final = frozenset({"val", "valid", "validation", "dev", "eval"})
_TARGETS_ALONE: Final = frozenset({"targets", "target", "labels", "y"})
_RESULTS: Final = frozenset({"submission", "results", "metrics", "sample"})
_PREDICTED: Final = frozenset({"y_true", "y_pred"})


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A place in the code that reads a file; `fits` says whether a model is trained in that module."""

    path: str
    place: str
    fits: bool


def find(tree: Tree, modules: Sequence[Module], named: Mapping[str, str | None]) -> Tables:
    """Return the tables.

    Args:
        named: what the user named: `train`, `test` and `predictions`.
    """
    places, notes = _places(tree)
    reads = _reads(tree, modules)
    for read in reads:
        if read.path not in places.values() and os.path.isfile(tree.root / read.path):
            places.setdefault(read.path, read.path)  # such as one that git ignores
    for given in named.values():
        if given is not None:
            places[given] = dvc.target(given).as_posix() if dvc.is_pointer(given) else given
    kept = _first(places, {*named.values()}, reads, notes)
    found = list(_headed(tree, kept, notes))
    absent = {read.path: read.place for read in reads if not os.path.exists(tree.root / read.path)}
    if absent and not found and not notes:
        shown = ", ".join(f"{path} ({place})" for path, place in list(absent.items())[:3])
        notes.append(f"The code reads {shown}, not here now: make or fetch the data, then run this again.")
    return _told_apart(found, reads, named, notes)


def _places(tree: Tree) -> tuple[dict[str, str], list[str]]:
    """Return where tables are, by the names that stages take, DVC's before the files that they stand for."""
    pinned = {name: dvc.target(name).as_posix() for name in tree.ending(".dvc")}
    for lock in tree.at_top(dvc.LOCK):
        pinned |= {f"{lock}:{out}": out for out in _outs(tree, lock)}
    pinned = {name: path for name, path in pinned.items() if path.endswith(headers.ENDINGS)}
    absent = sorted(name for name, path in pinned.items() if not os.path.isfile(tree.root / path))
    notes = [f"{', '.join(absent[:5])}: the data are not here; run `dvc pull`, then this again."] if absent else []
    there = {name: path for name, path in pinned.items() if name not in absent}
    plain = {name: name for name in tree.ending(*headers.ENDINGS) if name not in there.values()}
    return {**there, **plain}, notes


def _outs(tree: Tree, lock: str) -> Iterator[str]:
    """Yield the outputs in a lock file of DVC."""
    try:
        written = texts(tree.text(lock), Path(lock))
        stages = written["stages"] if "schema" in written else written
        for stage in stages.values():
            yield from (str(out["path"]) for out in (stage or {}).get("outs", ()))
    except (OptionsError, KeyError, TypeError, AttributeError):
        return


def _reads(tree: Tree, modules: Sequence[Module]) -> list[_Read]:
    """Return what the code reads, with the path as it is from the project's folder."""
    found = []
    for module in modules:
        fits = any(name.rpartition(".")[2] == "fit" for name, _ in module.calls()) and not is_test(module.name)
        for name, call in module.calls():
            path = module.text(argument(call, 0, *_PATHS)) if name.rpartition(".")[2] in _READS else None
            if path and "://" not in path and path.isprintable():
                here = _resolved(tree, path, module.name)
                if here.startswith(("/", "..")):  # on one machine alone
                    continue
                found.append(_Read(path=here, place=module.place(call), fits=fits))
    return found


def _resolved(tree: Tree, path: str, module: str) -> str:
    """Return a path relative to the project's folder: code may mean its own."""
    for folder in ("", posixpath.dirname(module)):
        here = posixpath.normpath(posixpath.join(folder, path))
        if os.path.isfile(tree.root / here) and not here.startswith(("..", "/")):
            return here
    plain = posixpath.normpath(path)
    same = [name for name in tree.names if name.endswith("/" + plain.removeprefix("../"))]
    return same[0] if len(same) == 1 else plain


def _first(
    places: Mapping[str, str], named: set[str | None], reads: Sequence[_Read], notes: list[str]
) -> dict[str, str]:
    """Return as many tables as are looked into: those that were named or that the code reads come first."""
    read = {one.path for one in reads}
    ranked = sorted(places, key=lambda name: (name not in named, places[name] not in read, name.count("/"), name))
    if len(ranked) > _MOST_TABLES:
        notes.append(f"Only {_MOST_TABLES} of {len(ranked):,} tables were looked into; name others with data.")
    return {name: places[name] for name in ranked[:_MOST_TABLES]}


def _headed(tree: Tree, places: Mapping[str, str], notes: list[str]) -> Iterator[TableFile]:
    """Yield the tables whose header can be read, and that are not too large."""
    for name, path in places.items():
        try:
            table = headers.read(name, Path(path))
        except ValueError as error:
            notes.append(f"{name}: passed over: {error}.")
            continue
        if table.bytes > LARGEST:
            notes.append(
                f"{name}: {table.bytes / 1e9:.0f} GB are more than a first look reads; for a schema, run "
                "`cd4ml schema infer` on a sample of it."
            )
            continue
        yield table


def _told_apart(
    tables: Sequence[TableFile], reads: Sequence[_Read], named: Mapping[str, str | None], notes: list[str]
) -> Tables:
    """Say what each table is for."""
    by_name = {table.name: table for table in tables}
    chosen = {
        role: Finding(value=by_name[name], why="you named it")
        for role, name in named.items()
        if name is not None and name in by_name
    }
    rows = [table for table in tables if not _is_result(table)]
    train = chosen.get("train") or _training(rows, reads, notes)
    test = chosen.get("test") or _testing(rows, train)
    predictions = chosen.get("predictions") or _predictions(tables)
    used = {found.value.name for found in (train, test, predictions) if found}
    others = tuple(table for table in tables if table.name not in used)
    return Tables(train=train, test=test, predictions=predictions, others=others, notes=tuple(notes))


def _roles(table: TableFile) -> set[str]:
    """Return the words of a table's name and of its own folder."""
    parts = Path(table.path).with_suffix("").parts[-2:]
    return {word for part in parts for word in words(part)}


def _is_result(table: TableFile) -> bool:
    """Whether a table is none of rows with features: predictions, results, or fixtures of tests."""
    folders = {*Path(table.path).parts[:-1]}
    return bool(
        _PREDICTED <= {*table.columns} or _RESULTS & {*words(Path(table.path).stem)} or {"tests", "fixtures"} & folders
    )


def _training(tables: Sequence[TableFile], reads: Sequence[_Read], notes: list[str]) -> Finding[TableFile] | None:
    """Return the table with the training rows: what the training code reads, what is called so, or the only one."""
    rows = [table for table in tables if not (_TEST | _OTHER_SPLITS) & _roles(table)]
    features = [table for table in rows if not _TARGETS_ALONE & {*words(Path(table.path).stem)}] or rows
    trained = [read for read in reads if read.fits]
    scripts = [read for read in trained if read.place.partition(":")[0].endswith(".py")]
    for chosen, why in (
        ([t for t in features if any(read.path == t.path for read in scripts)], "the code that fits a model reads it"),
        ([t for t in features if _TRAIN & _roles(t)], "its name says so"),
        ([t for t in features if any(read.path == t.path for read in trained)], "the code that fits a model reads it"),
        ([t for t in features if any(read.path == t.path for read in reads)], "the code reads it"),
        (features, "it is the only table"),
    ):
        if len(chosen) > 1:
            chosen = [table for table in chosen if _TRAIN & _roles(table)] or chosen
        if len(chosen) == 1:
            place = next((read.place for read in reads if read.path == chosen[0].path), None)
            return Finding(value=chosen[0], why=f"{why} ({place})" if place and "code" in why else why)
        if chosen:
            shown = ", ".join(table.name for table in chosen[:5])
            notes.append(f"Which table holds the training rows is not certain ({shown}): name it with --data.")
            return None
    return None


def _testing(tables: Sequence[TableFile], train: Finding[TableFile] | None) -> Finding[TableFile] | None:
    """Return the table with the test rows: one that is called so, with the columns of the training rows."""
    found = [table for table in tables if _TEST & _roles(table) and not (train and table.name == train.value.name)]
    alike = [table for table in found if train and {*table.columns} & {*train.value.columns}]
    if len(alike) > 1:  # of several, the one beside the training rows
        alike = [t for t in alike if train and os.path.dirname(t.path) == os.path.dirname(train.value.path)]
        alike = [t for t in alike if train and t.columns == train.value.columns] or alike
    return Finding(value=alike[0], why="its name says so") if len(alike) == 1 else None


def _predictions(tables: Sequence[TableFile]) -> Finding[TableFile] | None:
    """Return the table of predictions: it has the columns that say so."""
    found = [table for table in tables if _PREDICTED <= {*table.columns}]
    plain = [table for table in found if words(Path(table.path).stem) == ("predictions",)] or found
    return Finding(value=plain[0], why="it has the columns y_true and y_pred") if len(plain) == 1 else None


def saves_test_rows(modules: Sequence[Module]) -> bool:
    """Whether the code splits its rows in memory."""
    return any(called(call.func).rpartition(".")[2] == "train_test_split" for m in modules for _, call in m.calls())
