"""Publishing staged parts as one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cd4ml.scoring.batch.staging import Staging
from cd4ml.scoring.batch.targets import Target
from cd4ml.scoring.scorer import ScoringError

if TYPE_CHECKING:
    import pyarrow as pa


def publish(target: Target, staging: Staging, parts: int, metadata: Mapping[str, str]) -> None:
    """Put the parts in the output's place, in their order and in one step.

    Raises:
        ScoringError: two parts have different columns, or types that do not hold each other's values.
        UnavailableError: the output cannot be written.
    """
    import pyarrow.parquet as pq

    schema = pq.read_schema(staging.path(0)).remove_metadata()
    target.publish(schema, _tables(staging, parts, schema), metadata, staging.scratch)


def _tables(staging: Staging, parts: int, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the parts in the types of the first."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for number in range(parts):
        table = pq.read_table(staging.path(number))
        if not staging.made(number, table.schema.metadata):
            raise ScoringError(f"part {number} was replaced by another run's")
        try:
            yield table.replace_schema_metadata(None).cast(schema)
        except (pa.ArrowInvalid, ValueError) as error:
            raise ScoringError(
                f"part {number} has other columns or types than the first: {str(error).splitlines()[0][:200]}"
            ) from error
