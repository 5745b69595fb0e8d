"""Run by Feast's own Python, in an empty folder beside the tables: `python feast_views.py REDIS_PORT VIEW …`.

Applies one view of each table `VIEW.parquet` to a repository, and materializes what holds now.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Bool, Float64, Int64, String

TYPES = {"float64": Float64, "int64": Int64, "bool": Bool}
CONFIG = """
project: customers
provider: local
registry: registry.db
online_store: {{type: redis, connection_string: "127.0.0.1:{port}"}}
offline_store: {{type: file}}
entity_key_serialization_version: 3
"""


def view(name: str, customer: Entity) -> FeatureView:
    """Return the view of a table: every column but the entity and the times is a feature."""
    columns = pd.read_parquet(f"{name}.parquet").drop(columns=["customer_id", "at", "labelled"]).dtypes
    source = FileSource(path=str(Path(f"{name}.parquet").resolve()), timestamp_field="at")
    schema = [Field(name=column, dtype=TYPES.get(str(kind), String)) for column, kind in columns.items()]
    return FeatureView(name=name, entities=[customer], ttl=timedelta(days=7), schema=schema, source=source)


def main() -> None:
    """Apply and materialize."""
    port, *names = sys.argv[1:]
    Path("feature_store.yaml").write_text(CONFIG.format(port=port), encoding="utf-8")
    store = FeatureStore(repo_path=".")
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
    store.apply([customer, *(view(name, customer) for name in names)])
    now = datetime.now(UTC)
    store.materialize(now - timedelta(days=7), now)


main()
