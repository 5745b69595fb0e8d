"""The reports of a run as evidence: each is read once, and held to what must be signed about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.evidence.about import About
from cd4ml.evidence.bundles import LARGEST, bundle_path
from cd4ml.evidence.proof import Proof, Refused, mismatch
from cd4ml.evidence.reports import absent
from cd4ml.evidence.result import Claim
from cd4ml.report import Published
from cd4ml.report.reading import read_with_digest


class Reports(Protocol):
    """Where the reports of a run are found."""

    @property
    def claims(self) -> dict[str, Claim]:
        """What was signed about those that were found so far, by stage."""

    def find(self, stage: str) -> Published | Refused | None:
        """Return a stage's report, why it does not count, or None if there is none."""

    def need(self, stage: str) -> Published | Refused:
        """Return a stage's report, or why there is none that counts."""


@dataclass(frozen=True, kw_only=True)
class FolderReports:
    """Reports in a folder; each is read once, so that what was verified is what is judged.

    Attributes:
        of: what each stage's report is evidence of.
        proof: what must be signed beside each; None takes them as they lie there.
    """

    folder: Path
    of: Callable[[str], About]
    proof: Proof | None = None
    claims: dict[str, Claim] = field(default_factory=dict)
    _found: dict[str, Published | Refused | None] = field(default_factory=dict)

    def find(self, stage: str) -> Published | Refused | None:
        """See Reports."""
        if stage not in self._found:
            self._found[stage] = self._read(stage)
        return self._found[stage]

    def need(self, stage: str) -> Published | Refused:
        """See Reports."""
        return self.find(stage) or Refused("missing", absent(self.folder / f"{stage}.json"))

    def _read(self, stage: str) -> Published | Refused | None:
        """Read a report, and what is signed about it."""
        path = self.folder / f"{stage}.json"
        if path.is_symlink():
            return Refused("unreadable", f"{path} is a link")
        try:
            published, sha256 = read_with_digest(path, stage)
        except FileNotFoundError:
            return None
        except (OptionsError, UnavailableError) as error:
            return Refused("unreadable", error.message)
        if self.proof is None:
            return published
        said = signed_claim(path, published, sha256, self.of(stage), self.proof)
        if isinstance(said, Refused):
            return said
        self.claims[stage] = said
        return published


def signed_claim(report: Path, published: Published, sha256: str, of: About, proof: Proof) -> Claim | Refused:
    """Return what is signed about a report in the bundle beside it, or why that does not count.

    Args:
        report: its file.
        published: what was read in it.
        sha256: digest of what was read.
        of: what it is evidence of.
    """
    path = bundle_path(report)
    if not path.is_file() or path.is_symlink():
        return Refused("unsigned", f"its report is not signed: {path} does not exist")
    with path.open("rb") as stream:
        said = proof.claim(stream.read(LARGEST + 1))
    if isinstance(said, Refused):
        return Refused(said.reason, f"{path}: {said}")
    problem = mismatch(said, published, sha256, of)
    return Refused(problem.reason, f"{report}: {problem}") if problem else said
