"""What the registry of models says of a version: the tags that were written on it, and the aliases that point at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from cd4ml.errors import Cd4mlError
from cd4ml.registry import MissingModelError, reference_of, tags
from cd4ml.registry.described import Version, described
from cd4ml.report.trace import Looked, Source, Topic
from cd4ml.tracing.records import ALL_TABLES, Answer, Bundle, Key, Record
from cd4ml.tracing.subject import Ids
from cd4ml.wording import redacted

NAME: Final = "model-registry"
# What tags say beside model and commit -> where it stands in the story.
_VALUES: Final[Mapping[str, Key]] = {
    tags.LOCK: (Topic.DEPENDENCIES, "lock of the image"),
    tags.DATA: (Topic.DATA, ALL_TABLES),
}


def answer(uri: str | None, address: str, *, tracking_uri: str | None, environ: Mapping[str, str]) -> Answer:
    """Return what the registry says.

    Args:
        uri: of the version that is meant; None for all versions, of a store on this machine.
        address: of the registry, for people.
    """
    place = redacted(address)
    try:
        reference = reference_of(uri) if uri else None
        found = described(reference, tracking_uri=tracking_uri, environ=environ)
    except MissingModelError as error:
        return Answer(source=Source(name=NAME, place=place, looked=Looked.SILENT, message=error.message))
    except Cd4mlError as error:
        return Answer(source=Source(name=NAME, place=place, looked=Looked.UNREACHABLE, message=str(error)))
    bundles = [bundle for one in found for bundle in _bundles(one)]
    return Answer(source=Source(name=NAME, place=place, looked=Looked.READ), bundles=bundles)


def _bundles(version: Version) -> Iterator[Bundle]:
    """Yield what is known of a version, and what its tags say of the image that it was promoted in last.

    These are two: a version may be built again, and its tags are not about that image then.
    """
    by = f"models:/{version.name}/{version.version}"
    said = version.tags
    ids = Ids(
        model=said[tags.MODEL].removeprefix("sha256:") if tags.MODEL in said else None,
        version=f"{version.name}/{version.version}",
    )
    aliases = {(Topic.MODEL, "aliases now"): ", ".join(version.aliases)} if version.aliases else {}
    yield Bundle(ids=ids, told=by, records=[Record(by=f"{by} (tags)" if ids.model else by, ids=ids, values=aliases)])
    if tags.IMAGE in said:
        image = said[tags.IMAGE]
        ids = replace(ids, image=image.rpartition("@")[2], commit=said.get(tags.COMMIT))
        values = {key: said[name] for name, key in _VALUES.items() if name in said}
        record = Record(by=f"{by} (tags)", ids=ids, values=values)
        yield Bundle(ids=ids, told=f"{by} (tags)", image=image, records=[record])
