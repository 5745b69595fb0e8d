"""What is written on a model's version: where it comes from, so that whoever has the version finds the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cd4ml.digests import bytes_sha256
from cd4ml.registry.asking import LOOKUP_SECONDS, START_SECONDS, answering
from cd4ml.registry.reference import reference_of

PREFIX: Final = "cd4ml."
MODEL: Final = f"{PREFIX}model-digest"
IMAGE: Final = f"{PREFIX}image"
COMMIT: Final = f"{PREFIX}commit"
DATA: Final = f"{PREFIX}data-digest"
LOCK: Final = f"{PREFIX}lock-digest"
# Where a model that a search found comes from.
TRAIN_DATA: Final = f"{PREFIX}train-data"
TRAIN_DATA_DIGEST: Final = f"{PREFIX}train-data-digest"
TRAINING_CODE: Final = f"{PREFIX}training-code-digest"
TRAINING_LOCK: Final = f"{PREFIX}training-lock-digest"
PARAMETERS: Final = f"{PREFIX}parameters"
PLAN: Final = f"{PREFIX}search-plan-digest"
SEARCH: Final = f"{PREFIX}search-digest"
REQUEST: Final = f"{PREFIX}retraining-request"
TRAINED: Final = f"{PREFIX}trained-at"


def of_tables(tables: Iterable[tuple[str, str]]) -> str:
    """Return one digest of several tables: that of their lines `<sha256>  <path>`, sorted; empty if there are none.

    Args:
        tables: path and SHA-256 of each.
    """
    lines = sorted({f"{sha256}  {path}\n" for path, sha256 in tables})
    return f"sha256:{bytes_sha256(''.join(lines).encode('utf-8', 'surrogatepass'))}" if lines else ""


@dataclass(frozen=True, kw_only=True)
class Tagged:
    """What writing tags has changed.

    Attributes:
        replaced: tags that had another value, and that value; it is gone from the version now.
    """

    written: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, dict[str, str]]:
        """Both as a report has them."""
        return {"written": dict(self.written), "replaced": dict(self.replaced)}

    @property
    def told(self) -> str:
        """What was replaced, in a sentence; empty if nothing was."""
        changes = [f"{key} was {value}" for key, value in self.replaced.items()]
        return f"Tags of the version no longer have their old values: {', '.join(changes)}." if changes else ""


def tag(
    name: str, version: str, tags: Mapping[str, str], *, tracking_uri: str | None, environ: Mapping[str, str]
) -> Tagged:
    """Write tags on a version; what has its value already is left alone.

    Args:
        tags: that of the image, and others; an empty one is removed where the version had another image.

    Raises:
        MissingModelError: there is no such version.
        UnavailableError: the registry does not answer, or does not take them.
    """
    reference_of(f"models:/{name}/{version}")
    operation = {"operation": "tag", "name": name, "version": version, "tags": dict(tags), "about": IMAGE}
    with answering([operation], tracking_uri, environ) as answer:
        answer(START_SECONDS)
        found = answer(LOOKUP_SECONDS)
    before = {str(key): str(value) for key, value in found["before"].items()}
    other = before.get(IMAGE) != tags[IMAGE]
    return Tagged(
        written={key: value for key, value in tags.items() if value and before.get(key) != value},
        replaced={
            key: before[key]
            for key, value in tags.items()
            if key in before and before[key] != value and (value or other)
        },
    )
