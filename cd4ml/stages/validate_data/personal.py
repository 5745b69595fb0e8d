"""Personal data in the tables of validate-data: what is searched, what is said, and which values are not shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cd4ml.checks.data.personal import personal, personal_data_checks
from cd4ml.data.personal.hidden import Hidden
from cd4ml.data.personal.search import Searched, search
from cd4ml.data.schema.engine.audit import Audit
from cd4ml.data.tables.source import Source
from cd4ml.report import Check
from cd4ml.stages.validate_data.options import OnPersonalData, Options


def searched(source: Source, options: Options) -> Searched | None:
    """Return what of a table is personal, None if nobody needs to know."""
    wanted = options.on_personal_data is not OnPersonalData.IGNORE or options.include_values
    return search(source, options.personal_data_rows) if wanted and source.rows else None


def hide(audit: Audit, found: Searched | None) -> None:
    """Take the values of columns with personal data out of what a report may show, also those that may hold them."""
    titles = {count.column: count.kind.title for count in personal(found)} if found else {}
    for (_, column), finding in audit.findings.items():
        # A rule about the whole table shows values of any column.
        title = titles.get(column) if column else next(iter(titles.values()), None)
        if title:
            finding.samples = [(row, Hidden(title)) for row, _ in finding.samples]


def personal_checks(found: Searched | None, options: Options) -> tuple[Sequence[Check], dict[str, Any]]:
    """Return the checks of a table, and what was looked at."""
    if found is None or options.on_personal_data is OnPersonalData.IGNORE:
        return (), {}
    blocks = options.on_personal_data is OnPersonalData.FAIL
    checks = list(personal_data_checks(found, options.allow_personal_data, blocks=blocks))
    allowed = sorted({count.column for count in personal(found)} & {*options.allow_personal_data})
    return checks, {"rows": found.rows, "columns": len(found.columns), "allowed": allowed}
