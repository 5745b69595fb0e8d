"""Files that nobody may edit, signed or generated as a whole: an edit would break the signature, or be overwritten."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from cd4ml.errors import OptionsError
from cd4ml.gitops import read
from cd4ml.gitops.edit import mapping

# In the comments at the head of a file, as generators write them; a rule for people about one line is none of these.
_GENERATED: Final = re.compile(
    r"DO NOT (EDIT|MODIFY|CHANGE)\b(?!.* (below|above|by hand))|@generated\b"
    r"|\b(?i:(auto-?|automatically )?generated\b.*\b(do not|don't) (edit|modify|change)\b)"
    r"|\b(?i:(do not|don't) (edit|modify|change)\b.*\b(auto-?|automatically )?generated\b)"
    r"|\b(?i:file (is |was |has been )?(auto-?|automatically )generated\b|(auto-?|automatically )generated file\b)"
)


def refuse_text(text: str) -> None:
    """Refuse a file that is signed as a text, or that somebody else writes.

    Raises:
        OptionsError: it is clear-signed with PGP, or its head says that it is generated.
    """
    if text.lstrip("\ufeff").startswith("-----BEGIN PGP SIGNED MESSAGE-----"):
        raise OptionsError("the file is signed as a whole (PGP)", advice="Name the unsigned file.")
    found = _GENERATED.search(" ".join(_head(text)))
    if found:
        raise OptionsError(
            f"the head of this file says that it is generated ({found[0][:80]!r}): its generator would undo the edit",
            advice="Name the file that it is generated from.",
        )


def refuse_signed(documents: Sequence[Any]) -> None:
    """Refuse a file whose values or objects are signed.

    Raises:
        OptionsError: SOPS signs its values, or an annotation signs an object.
    """
    for document in documents:
        signature = mapping(document, "sops")
        if read.text(signature, "mac") and read.text(signature, "mac_only_encrypted").lower() != "true":
            raise OptionsError(
                "SOPS signs every value of this file (sops.mac), so that it could not be decrypted after an edit",
                advice="Move image and canary to a file without secrets, or encrypt with mac_only_encrypted: true "
                "(sops --mac-only-encrypted).",
            )
        annotations = mapping(document, "metadata", "annotations")
        if any(str(key).endswith("sigstore.dev/signature") for key in annotations):
            raise OptionsError(
                f"{read.name(document) or 'an object'} carries a signature of the whole manifest "
                "(cosign.sigstore.dev/signature), which an edit would break",
                advice="Sign the manifest after the deployment, when it is delivered, and name the unsigned file here.",
            )


def _head(text: str) -> list[str]:
    """Return the comments before the first line of content."""
    lines = []
    for line in text.lstrip("\ufeff").splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith(("#", "---", "%")):
            break
        lines.append(stripped.lstrip("# "))
    return lines
