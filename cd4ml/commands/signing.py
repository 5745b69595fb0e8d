"""Signing what a stage found: who signs, and the bundle beside the report."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cd4ml.digests import bytes_sha256
from cd4ml.errors import Cd4mlError, UnavailableError
from cd4ml.evidence.basis import Basis
from cd4ml.evidence.bundles import bundle_path, is_bundle
from cd4ml.evidence.result import result_statement
from cd4ml.evidence.sign import find_signer
from cd4ml.evidence.signer import NobodySignsError, Signer
from cd4ml.inputs.vocabulary import RunOptions
from cd4ml.report import Published, Status
from cd4ml.stages import about
from cd4ml.wording import safe
from cd4ml.writing import refuse_other, remove, write_atomically


class UnsignedError(Exception):
    """A report that is written could not be signed; `why` says the reason."""

    def __init__(self, why: Cd4mlError) -> None:
        """Keep the reason."""
        super().__init__(why.message)
        self.why = why


@dataclass(frozen=True, kw_only=True)
class Signing:
    """Who signs what a run finds.

    Attributes:
        signer: None if nobody does.
        unsigned: why nobody does although it was asked for.
    """

    signer: Signer | None = None
    unsigned: UnavailableError | None = None

    @property
    def told(self) -> dict[str, str | None]:
        """What the report says of it."""
        signer = {"signer": self.signer.identity if self.signer else None}
        return signer | ({"unsigned": self.unsigned.message} if self.unsigned else {})

    def said(self, bundle: Path | None) -> str:
        """Say for people who signed, or why nobody did although it was asked for."""
        if bundle is not None and self.signer is not None:
            return f"  evidence: {safe(bundle.name)}, signed by {safe(self.signer.identity)}\n"
        return f"  unsigned: {safe(self.unsigned.message)}\n" if self.unsigned else ""


def find_signing(options: RunOptions, environ: Mapping[str, str]) -> Signing:
    """Return who signs: of a run without the secret or the identity that it names, as a fork's, nobody does.

    Raises:
        OptionsError: no such key can be had, or two signers are named.
        UnavailableError: the key's file cannot be read, or a library is missing.
    """
    try:
        return Signing(signer=find_signer(options.signing_key, keyless=options.keyless, environ=environ))
    except NobodySignsError as error:
        return Signing(unsigned=error)


def forget_bundle(report: Path) -> None:
    """Remove the bundle that an earlier run has left beside a report: it is about another one.

    Args:
        report: its file, which may be written; so may what lies beside it.

    Raises:
        OptionsError: what lies there is none.
        UnavailableError: it cannot be removed.
    """
    path = bundle_path(report)
    refuse_other("report", path, is_bundle)
    remove(Path.cwd() / path)


def signed(published: Published, text: str, path: Path, signing: Signing, basis: Basis) -> Path | None:
    """Sign what a report says and write that beside it; None if nobody signs, or if there is no verdict.

    Args:
        text: of the report's file.
        path: the report's file.
        basis: what the run is about.

    Raises:
        UnsignedError: a service that takes part in it cannot be reached, or the bundle cannot be written.
    """
    if signing.signer is None or published.report.status is Status.ERROR:
        return None
    statement = result_statement(
        published,
        of=about(published.report.stage),
        at=datetime.datetime.now(datetime.UTC),
        report=bytes_sha256(text.encode()),
        config=basis.config,
        repository=basis.repository,
    )
    bundle = bundle_path(path)
    try:
        write_atomically(bundle, signing.signer.sign(statement).decode())
    except Cd4mlError as error:
        raise UnsignedError(error) from error
    return bundle
