"""`cd4ml materialize-features`: the latest features of each entity, from a table to Redis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cd4ml.commands import COMMANDS
from cd4ml.commands.door import Door
from cd4ml.commands.progress import Progress
from cd4ml.commands.project import change_directory
from cd4ml.data.tables.dialect import TableOptions
from cd4ml.errors import FAILED, PASSED, OptionsError
from cd4ml.inputs import feature_words, vocabulary
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.options import declared, option
from cd4ml.inputs.values import resolve
from cd4ml.wording import safe

if TYPE_CHECKING:
    from cd4ml.data.features.offline import Batch, Latest, Offline
    from cd4ml.data.features.redis_store import Count, Row

COMMAND: Final = "materialize-features"


@dataclass(frozen=True, kw_only=True)
class MaterializeOptions(TableOptions):
    """Options of `cd4ml materialize-features`."""

    offline: str = feature_words.OFFLINE.here(required=True)
    online: str = feature_words.ONLINE.here(required=True)
    entity: str = feature_words.ENTITY.here(required=True)
    timestamp: str = feature_words.TIMESTAMP.here(required=True)
    features: tuple[str, ...] = vocabulary.FEATURES.here()
    ttl: float | None = feature_words.TTL.here("They are deleted then, and older ones are not written.")
    as_of: str | None = option(
        "Moment (RFC 3339) up to which rows are taken, as if it were now (default: now).",
        example="2026-11-27T06:00:00Z",
    )
    prefix: str = feature_words.FEATURE_PREFIX.here(default="cd4ml:features")
    cluster: bool = feature_words.CLUSTER.here(default=False)
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")


def run(arguments: Sequence[str], door: Door) -> int:
    """Write the latest features of each entity; older ones never replace newer ones, and a second run changes nothing.

    Raises:
        OptionsError: an option makes no sense, or the table is not one of features.
        UnavailableError: the table is not there, or the store does not answer.
    """
    given = argument_layers(COMMAND, declared(MaterializeOptions), arguments, door.environ, COMMANDS[COMMAND])
    options = resolve(MaterializeOptions, given)
    change_directory(options.working_directory)
    now = datetime.now(UTC)
    until = _until(options, now)
    from cd4ml.data.features.offline import latest, opened
    from cd4ml.data.features.redis_store import Writer
    from cd4ml.data.tables.scratch import Folder

    keep = None if options.ttl is None else timedelta(hours=options.ttl)
    writer = Writer(options.online, options.entity, prefix=options.prefix, keep=keep, cluster=options.cluster)
    with Progress(COMMAND, door.stderr, door.environ, door.redactor) as progress:
        progress.say(f"Reading {options.offline}")
        table = opened(
            options.offline,
            entity=options.entity,
            timestamp=options.timestamp,
            features=options.features,
            reading=options.reading,
        )
        scratch = Folder()
        found = latest(table, until, scratch.path)
        progress.say(f"Writing {found.entities:,} entities")
        with writer:
            for batch in found.batches():
                writer.write(_rows(batch, table), now)
    said = list(_said(writer.count, found, until, options))
    print("\n".join(safe(door.redactor.text(line)) for line in said), file=door.stdout)
    return (FAILED if writer.count.foreign or not found.entities else PASSED).code


def _rows(batch: Batch, table: Offline) -> list[Row]:
    """Return entities as they are written.

    Raises:
        OptionsError: the store has no way to hold a value.
    """
    from cd4ml.data.features.offline import moment_of
    from cd4ml.data.features.redis_store import Row
    from cd4ml.data.features.scalars import scalar

    try:
        return [
            Row(
                value=value,
                moment=moment_of(stamp),
                features=dict(zip(table.features, map(scalar, features), strict=True)),
            )
            for value, stamp, features in batch
        ]
    except ValueError as error:
        raise OptionsError(f"{table.source.name}: {error}") from error


def _said(count: Count, found: Latest, until: datetime, options: MaterializeOptions) -> Iterator[str]:
    """Yield what came of it."""
    yield f"{count.written:,} of {found.entities:,} entities written."
    if count.newer:
        yield f"{count.newer:,} have newer features, which stay."
    if count.expired:
        yield f"{count.expired:,} are older than {options.ttl:g} hours, and were left out."
    if found.later:
        yield f"{found.later:,} rows after {until.isoformat()} were left out."
    if count.foreign:
        yield f"{count.foreign:,} keys hold something else, which stays: choose another prefix."


def _until(options: MaterializeOptions, now: datetime) -> datetime:
    """Return the moment up to which rows are taken.

    Raises:
        OptionsError: an option makes no sense.
    """
    problems, until = list(feature_words.ttl_problems(options.ttl)), now
    if options.as_of is not None:
        try:
            until = datetime.fromisoformat(options.as_of)
        except ValueError:
            problems.append(f"as-of is not a time in RFC 3339: {options.as_of!r}")
        if until.tzinfo is None:
            problems.append("as-of needs a time zone, such as Z")
        elif until > now:
            problems.append("as-of must not lie in the future: later runs could not replace what it writes")
    if problems:
        raise OptionsError(problems)
    return until
