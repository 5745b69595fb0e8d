"""What a search and a training rest on, as its plan names it: rows, code and environment that did not change since."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.opening import open_table
from cd4ml.digests import sha256
from cd4ml.errors import OptionsError
from cd4ml.reading import missing_file
from cd4ml.report import InputDigest
from cd4ml.scoring.training.run import Code, code_sha256, lock_text
from cd4ml.search.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

_ADVICE = "Check out the commit and fetch the data that plan-search saw, or plan again."


def rows_of(plan: Plan, reading: Reading) -> tuple[pd.DataFrame, InputDigest]:
    """Return the training rows of a plan.

    Raises:
        UnavailableError: they cannot be read.
        OptionsError: they are other rows than those that were planned with.
    """
    table = open_table(plan.train_data, reading=reading)
    frame = table.frame()
    digest = table.digest("train-data", len(frame))
    if digest.sha256 != plan.train_sha256:
        raise OptionsError(f"{plan.train_data} changed since the search was planned", advice=_ADVICE)
    return frame, digest


def code_of(plan: Plan, function: str) -> Code:
    """Return the training code of a plan, with one of its functions.

    Raises:
        UnavailableError: a file is missing.
        OptionsError: the code or its lock is another than was planned with.
    """
    code = Code(function=function, files=plan.code, lock=Path(plan.lock))
    changed = [] if code_sha256(code) == plan.code_sha256 else [f"{', '.join(plan.code)} changed since"]
    changed += [] if lock_sha256(code.lock) == plan.lock_sha256 else [f"{plan.lock} changed since"]
    if changed:
        raise OptionsError([f"{one} the search was planned" for one in changed], advice=_ADVICE)
    return code


def lock_sha256(lock: Path) -> str:
    """Return the digest of a lock.

    Raises:
        UnavailableError, OptionsError: it is not there, or has no hashes.
    """
    lock_text(lock)
    return sha256(lock)


def function_problems(option: str, written: str) -> list[str]:
    """Return what is wrong with a function that an option names."""
    module, _, name = written.partition(":")
    if all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        return []
    return [f"{option}: {written!r} is not written as module:function"]


def code_problems(files: Sequence[str], tables: Sequence[Path]) -> list[str]:
    """Return what is wrong with the files that training code is in.

    Args:
        tables: that the code must not bring with it.

    Raises:
        UnavailableError: one is missing.
    """
    problems = []
    for name in files:
        path = Path(name)
        if path.is_absolute() or ".." in path.parts or path == Path("."):
            problems.append(f"training-code: {name} is not a file or folder within the project")
            continue
        if not path.exists():
            raise missing_file(path)
        problems += [
            f"training-code: {name} holds {table.name}, which the training code would see"
            for table in tables
            if table.resolve().is_relative_to(path.resolve())
        ]
    return problems
