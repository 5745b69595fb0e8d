"""Trivy's categories of the licences that an expression is made of: of the whole it often says `unknown`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cd4ml.errors import UnavailableError
from cd4ml.image.findings import License, licenses
from cd4ml.image.license_expression import words_of
from cd4ml.process.programs import completed


def with_parts(
    found: Sequence[License], trivy: str, options: Sequence[str], environ: Mapping[str, str], seconds: float = 600
) -> list[License]:
    """Return licences, those of several words with the category of each.

    Raises:
        UnavailableError: Trivy does not say.
    """
    words = {one: words_of(one.stated.lower()) for one in found}
    asked = sorted({word for several in words.values() if len(several) > 1 for word in several})
    known = _categories(asked, trivy, options, environ, seconds) if asked else {}
    return [
        replace(one, parts=tuple((word, known[word]) for word in dict.fromkeys(several))) if len(several) > 1 else one
        for one, several in words.items()
    ]


def _categories(
    names: Sequence[str], trivy: str, options: Sequence[str], environ: Mapping[str, str], seconds: float
) -> dict[str, str]:
    """Return the category of each licence: what Trivy says of a bill of materials with one component for each."""
    components = [
        {"type": "library", "name": f"n{number}", "version": "1", "licenses": [{"license": {"name": name}}]}
        | {"bom-ref": f"n{number}", "purl": f"pkg:pypi/n{number}@1"}
        for number, name in enumerate(names)
    ]
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}
    with tempfile.TemporaryDirectory(prefix="cd4ml-trivy-") as folder:
        asked, answer = Path(folder, "licenses.json"), Path(folder, "answer.json")
        asked.write_text(json.dumps(document), encoding="utf-8")
        arguments = ["sbom", *options, "--scanners", "license", "--offline-scan", "--quiet", "--format", "json"]
        command = [trivy, *arguments, "--output", str(answer), str(asked)]
        done = completed(command, environ=environ, seconds=seconds, folder=Path(folder))
        try:
            said = json.loads(answer.read_text(encoding="utf-8"))
            told = {one.package: one.category for one in licenses(said)}
            return {name: told[f"n{number}"] for number, name in enumerate(names)}
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise UnavailableError(
                f"Trivy does not say of which categories licences are (exit code {done.code}): {done.last_words()}"
            ) from error
