"""A first look at models: whether the registry has them, and the small files that say how they are loaded.

Nothing rests on it. Whatever is judged is fetched whole, by `fetch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import Cd4mlError
from cd4ml.registry.asking import NotInTimeError, answering
from cd4ml.registry.reference import is_registered, model_folder, reference_of

# A model's folder with MLmodel and what is read of its environment, or why there is none.
Seen = Path | Cd4mlError
SECONDS: Final = 10.0


def look(
    models: Iterable[str],
    folder: Path,
    *,
    tracking_uri: str | None,
    environ: Mapping[str, str],
    seconds: float = SECONDS,
) -> dict[str, Seen]:
    """Return what can be seen of models, all asked for at once.

    Args:
        models: as `fetch` takes them.
        folder: where files may be put that live as long as what is returned.
        seconds: that each answer may take. What is not answered in time is left out.
    """
    found: dict[str, Seen] = {}
    asked: dict[str, dict[str, str]] = {}
    for number, uri in enumerate(dict.fromkeys(models)):
        try:
            if not is_registered(uri):
                found[uri] = model_folder(uri)
                continue
            lookup = reference_of(uri).lookup
            asked[uri] = {**lookup, "operation": "look", "directory": str(folder / str(number))}
        except Cd4mlError as error:
            found[uri] = error
    return {**found, **(_asked(asked, tracking_uri, environ, seconds) if asked else {})}


def _asked(
    operations: Mapping[str, dict[str, str]], tracking_uri: str | None, environ: Mapping[str, str], seconds: float
) -> dict[str, Seen]:
    """Return what the registry says of each model."""
    found: dict[str, Seen] = {}
    try:
        with answering(list(operations.values()), tracking_uri, environ, each=True) as answer:
            answer(seconds)
            for uri in operations:
                found[uri] = _seen(answer, seconds)
    except NotInTimeError:
        return found
    except Cd4mlError as error:  # about the registry, and so about each of them
        return {uri: found.get(uri, error) for uri in operations}
    return found


def _seen(answer: Callable[[float], dict[str, Any]], seconds: float) -> Seen:
    """Return the next answer."""
    try:
        return Path(answer(seconds)["path"])
    except NotInTimeError:
        raise
    except Cd4mlError as error:
        return error


def registries(models: Sequence[str]) -> bool:
    """Whether some model is in a registry."""
    return any(map(is_registered, models))
