"""Verifying what a key signed; nothing leaves the machine."""

from __future__ import annotations

import json
from dataclasses import dataclass

from cd4ml.errors import OptionsError
from cd4ml.evidence.dsse import SignatureError, verified_bundle
from cd4ml.evidence.keys import PublicKey
from cd4ml.evidence.proof import Signed, UntrustedError


@dataclass(frozen=True, kw_only=True)
class KeyVerifier:
    """Takes what one key signed."""

    key: PublicKey

    @property
    def identity(self) -> str:
        """See Verifier."""
        return self.key.identity

    def verified(self, bundle: bytes) -> Signed:
        """See Verifier."""
        try:
            return Signed(statement=verified_bundle(bundle, self.key))
        except SignatureError as error:
            raise self._untrusted(bundle) from error
        except OptionsError as error:
            raise UntrustedError("not-a-bundle", error.message) from error

    def _untrusted(self, bundle: bytes) -> UntrustedError:
        """Tell another signer from a changed content, as far as the bundle says who signed; nothing rests on it."""
        material = json.loads(bundle).get("verificationMaterial")
        public = material.get("publicKey") if isinstance(material, dict) else None
        hint = public.get("hint") if isinstance(public, dict) else None
        if hint == self.key.hint:
            return UntrustedError("invalid-signature", "the signature is not valid: the content was changed")
        who = f"key {hint[:16]}" if isinstance(hint, str) else "something that is not a key"
        return UntrustedError("wrong-key", f"{who} signed it, not {self.identity}")
