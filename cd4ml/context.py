"""What the command line hands to a stage: everything that is not an option."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cd4ml.evidence.basis import Basis
from cd4ml.git import Checkout
from cd4ml.report import Report

if TYPE_CHECKING:
    from cd4ml.errors import UnavailableError
    from cd4ml.evidence.signer import Signer


def _silent(_message: str) -> None:
    """Drop progress messages."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """The surroundings of a run. Relative paths in options are relative to `directory`, the process's own directory.

    Attributes:
        environ: the caller's environment; stages take programs and credentials from here, never from `os.environ`. It
            holds nothing that signs: that is the signer's alone.
        progress: called with one plain sentence as long work moves on.
        directory: absolute working directory (the process has already changed into it).
        reports: folder of the reports that earlier stages of this run wrote.
        cache: folder for things that are slow to make and safe to throw away, such as model environments.
        save: writes a provisional report to the report path (a stage that acts saves its plan before it acts).
        signer: who signs what this run finds, if anybody.
        unsigned: why nobody signs although it was asked for.
        basis: what the run is about, as it was before any code of the caller ran.
    """

    directory: Path
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    progress: Callable[[str], None] = _silent
    reports: Path = Path("reports")
    cache: Path = Path(".cache")
    save: Callable[[Report], object] = field(default=lambda report: None, repr=False)
    signer: Signer | None = None
    unsigned: UnavailableError | None = None
    basis: Basis = Basis()

    @property
    def checkout(self) -> Checkout:
        """The repository around the working directory."""
        return Checkout(directory=self.directory, environ=self.environ)
