"""What a search sets out to do: a file that every job of it reads, and whose digest every journal carries."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from cd4ml.digests import bytes_sha256
from cd4ml.errors import OptionsError
from cd4ml.reading import missing_file, text_file
from cd4ml.search.space import Parameter, from_documents
from cd4ml.writing import write_atomically

VERSION: Final = 1
_ADVICE: Final = "Run plan-search again, and pass its file on as it is."


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A search.

    Attributes:
        seconds: for the training of all trials together; each job has its share.
        folds, inner_folds: of the validation, and within the training rows of each of its folds.
        stratify: column whose values are spread evenly over the folds, "" for none.
        group: column of entities whose rows stay together, "" for none.
        score: `module:function` of the caller.
        code: files and folders that it is in.
        lock: requirements file of its environment.
        *_sha256: digests of what the search rests on.
        commit: that was checked out, "" outside a repository.
        request: number of the issue that asked for it, 0 for none.
    """

    space: tuple[Parameter, ...]
    trials: int
    jobs: int
    seconds: float
    sampler: str
    direction: str
    seed: int
    folds: int
    inner_folds: int
    stratify: str
    group: str
    score: str
    code: tuple[str, ...]
    lock: str
    train_data: str
    test_data: str
    train_sha256: str
    test_sha256: str
    code_sha256: str
    lock_sha256: str
    commit: str
    request: int

    @property
    def maximize(self) -> bool:
        """Whether a greater score is better."""
        return self.direction == "maximize"

    @property
    def text(self) -> str:
        """The plan as its file has it."""
        document = {"version": VERSION, **asdict(self), "space": [one.document for one in self.space]}
        return json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"

    @property
    def sha256(self) -> str:
        """Digest of that file."""
        return bytes_sha256(self.text.encode())

    def trials_of(self, job: int) -> int:
        """Return how many trials a job has, counted from 0."""
        return self.trials // self.jobs + (job < self.trials % self.jobs)

    @property
    def seconds_of_job(self) -> float:
        """A job's share of the time."""
        return self.seconds / self.jobs


def write(plan: Plan, path: Path) -> None:
    """Write a plan.

    Raises:
        UnavailableError: it cannot be written.
    """
    write_atomically(path, plan.text)


def read(path: Path) -> Plan:
    """Read a plan.

    Raises:
        UnavailableError: it is not there.
        OptionsError: it is no plan, or one of another version.
    """
    try:
        text = text_file(path)
    except FileNotFoundError as error:
        raise missing_file(path) from error
    try:
        plan = _plan(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise OptionsError(f"{path} is not a plan of plan-search", advice=_ADVICE) from error
    if plan.text != text:
        raise OptionsError(f"{path} was changed after plan-search wrote it", advice=_ADVICE)
    return plan


def _plan(document: dict[str, Any]) -> Plan:
    """Return the plan in a document."""
    if document.pop("version") != VERSION:
        raise ValueError("another version")
    document["space"] = from_documents(document["space"])
    document["code"] = tuple(document["code"])
    plan = Plan(**document)
    kinds = {"str": str, "int": int, "float": float, "tuple[Parameter, ...]": tuple, "tuple[str, ...]": tuple}
    for field in fields(plan):
        if type(getattr(plan, field.name)) is not kinds[str(field.type)]:
            raise TypeError(field.name)
    return plan


def is_plan(path: Path) -> bool:
    """Whether a file is a plan of an earlier run."""
    try:
        return {"space", "trials", "jobs", "train_sha256"} <= set(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return False
