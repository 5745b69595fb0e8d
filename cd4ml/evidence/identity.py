"""Verifying what a workflow signed as itself: its certificate, the public log and the repository whose run it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from cryptography.x509 import Certificate, ExtensionNotFound, ObjectIdentifier, UnrecognizedExtension
from pydantic import ValidationError
from sigstore.errors import Error as SigstoreError
from sigstore.errors import VerificationError
from sigstore.models import Bundle, ClientTrustConfig, InvalidBundle, TrustedRoot
from sigstore.verify import Verifier, policy

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.evidence.bundles import LARGEST
from cd4ml.evidence.proof import Signed, UntrustedError
from cd4ml.evidence.sigstore_errors import UNREACHABLE, told
from cd4ml.evidence.statement import PAYLOAD_TYPE, read_statement

# The commit whose run asked for the certificate: https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
_COMMIT: Final = ObjectIdentifier("1.3.6.1.4.1.57264.1.3")


@dataclass(frozen=True, kw_only=True)
class IdentityVerifier:
    """Takes what one workflow signed, in runs of one repository."""

    verifier: Verifier
    demands: policy.VerificationPolicy
    identity: str

    def verified(self, bundle: bytes) -> Signed:
        """See Verifier."""
        read = _bundle(bundle)
        try:
            kind, payload = self.verifier.verify_dsse(read, policy.UnsafeNoOp())
        except (VerificationError, ValueError) as error:
            raise UntrustedError("invalid-signature", f"Sigstore does not accept it: {told(error)}") from error
        certificate = read.signing_certificate
        try:
            self.demands.verify(certificate)
        except (VerificationError, ValueError) as error:
            raise UntrustedError("wrong-identity", f"it is not signed by {self.identity}: {told(error)}") from error
        commit = _commit(certificate)
        if not commit:
            raise UntrustedError("wrong-identity", "its certificate does not say on which commit the workflow ran")
        if kind != PAYLOAD_TYPE:
            raise UntrustedError("not-a-bundle", f"the envelope holds {str(kind)[:100]!r}, not an in-toto statement")
        try:
            return Signed(statement=read_statement(payload), commit=commit)
        except OptionsError as error:
            raise UntrustedError("not-a-bundle", error.message) from error


def identity_verifier(
    identity: str, *, issuer: str, repository: str | None, trusted_root: str | None
) -> IdentityVerifier:
    """Return who verifies a workflow's signatures.

    Args:
        repository: `owner/name`, in whose runs it must have signed.
        trusted_root: its file; without one, that of Sigstore's public services is fetched.

    Raises:
        OptionsError: it is no trusted root.
        UnavailableError: that of the public services cannot be had.
    """
    demands: list[policy.VerificationPolicy] = [policy.Identity(identity=identity, issuer=issuer)]
    if repository:
        demands.append(policy.GitHubWorkflowRepository(repository))
    return IdentityVerifier(
        verifier=Verifier(trusted_root=_root(trusted_root)),
        demands=policy.AllOf(demands),
        identity=f"{identity} in {repository}" if repository else identity,
    )


def _root(path: str | None) -> TrustedRoot:
    """Return whom to trust."""
    if path is None:
        try:
            return ClientTrustConfig.production().trusted_root
        except UNREACHABLE as error:
            raise UnavailableError(
                f"Sigstore's trusted root cannot be had: {told(error)}.", advice="Name one with trusted-root."
            ) from error
    try:
        return TrustedRoot.from_file(path)
    except OSError as error:
        raise UnavailableError(f"trusted-root {path}: {error.strerror}.") from error
    except (SigstoreError, ValidationError, ValueError) as error:
        raise OptionsError(f"trusted-root: not a trusted root of Sigstore: {told(error)}") from error


def _bundle(data: bytes) -> Bundle:
    """Read a bundle that a certificate goes with."""
    if len(data) > LARGEST:
        raise UntrustedError("not-a-bundle", "not a Sigstore bundle: it is too large")
    try:
        document = json.loads(data)
        material: Any = document["verificationMaterial"]
        if "publicKey" in material:
            raise UntrustedError("no-identity", "a key signed it, which proves no workflow's identity")
        return Bundle.from_json(data)
    except (InvalidBundle, ValidationError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UntrustedError("not-a-bundle", f"not a Sigstore bundle: {told(error)}") from error


def _commit(certificate: Certificate) -> str | None:
    """Return the commit whose run signed."""
    try:
        found = certificate.extensions.get_extension_for_oid(_COMMIT).value
    except ExtensionNotFound:
        return None
    return found.value.decode("ascii", "replace") if isinstance(found, UnrecognizedExtension) else None
