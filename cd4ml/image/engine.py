"""Which builder is taken: the one that was named, or the first that answers."""

from __future__ import annotations

from collections.abc import Mapping

from cd4ml.errors import UnavailableError
from cd4ml.image.builders import AUTO, BUILDERS, load
from cd4ml.image.builders.builder import Builder


def detect(wanted: str, environ: Mapping[str, str]) -> Builder:
    """Return the builder of that name, or for `auto` the first that answers, in the order of BUILDERS.

    Raises:
        UnavailableError: none answers; the message says why, one by one.
    """
    names, problems = list(BUILDERS), []
    for name in names if wanted == AUTO else (wanted,):
        try:
            return load(name).find(environ)
        except UnavailableError as error:
            problems.append(f"{name}: {error.message}")
    raise UnavailableError(
        f"No container engine answers ({'; '.join(problems)}).",
        advice=f"Start or install {', '.join(names[:-1])} or {names[-1]}, or name one with --engine.",
    )
