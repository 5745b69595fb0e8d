"""What is proposed for validate-data."""

from __future__ import annotations

from cd4ml.project.findings import Project
from cd4ml.project.yaml_lines import Entry, Section, sentence

SCHEMA = "schema.yaml"


def section(project: Project) -> Section:
    """Return the tables that one schema is about, and the schema."""
    tables = project.checked
    if not tables:
        why = "no table of training rows was found (CSV, Parquet, Arrow, or a .dvc file whose data are here)."
        example = ["validate-data:", "  data: data/train.parquet", "  schema: schema.yaml"]
        return Section(remarks=[why, *project.tables.notes[:3], "Then add:"], example=example)
    found = [finding for finding in (project.tables.train, project.tables.test) if finding]
    why = "; ".join(f"{one.value.name}: {one.why}" for one in found if one.value in tables)
    own = f" The project has schemas of its own: {', '.join(project.schemas[:5])}." if project.schemas else ""
    most = max(2, project.rows // 2)
    return Section(
        entries=[
            Entry(key="data", value=[table.name for table in tables], why=sentence(why)),
            Entry(key="schema", value=SCHEMA, why=f"Inferred from these tables; review it line by line.{own}"),
            Entry(
                key="minimum-rows", value=most, why=f"Half of the {project.rows:,} rows of today: fewer are a cut file."
            ),
        ]
    )
