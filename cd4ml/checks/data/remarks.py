"""What there is to say of tables that were read: remarks, which block nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from cd4ml.data.tables.dialect import Reading, Words
from cd4ml.report import Check, Report, Status
from cd4ml.report.ids import check_id

_MOST_COLUMNS = 3


def remarked(report: Report, reading: Reading) -> Report:
    """Return a report with the remarks on its tables, as checks that pass and in its summary."""
    remarks = [_words(path, words) for path, words in reading.words.items()]
    if not remarks or not report.checks:  # a remark is not a verdict
        return report
    said = " ".join(remark.message for remark in remarks)
    return replace(report, checks=[*report.checks, *remarks], summary=f"{report.summary} {said}".strip())


def _words(path: str, words: Words) -> Check:
    """Return the remark on words that may stand for missing values, and were taken for texts."""
    return Check(
        id=check_id("missing-values", path),
        status=Status.PASSED,
        reason="undeclared-missing-values",
        metric="cells",
        value=sum(sum(found.values()) for found in words.values()),
        message=f"{path}: {said_of(words)}",
    )


def said_of(words: Words) -> str:
    """Return which words columns of texts hold, how often, and how they are declared if they stand for no value."""
    shown = list(_columns(words))
    more = f"; and {len(shown) - _MOST_COLUMNS} more columns" if len(shown) > _MOST_COLUMNS else ""
    return (
        f"{'; '.join(shown[:_MOST_COLUMNS])}{more}. These words are read as texts. "
        "Where they stand for missing values, list them in missing-values; if none does, set missing-values: []."
    )


def _columns(words: Words) -> Iterator[str]:
    """Yield what each column holds."""
    for name, found in words.items():
        yield f"`{name}` holds {_counted(found)}"


def _counted(found: Mapping[str, int]) -> str:
    """Return words with the number of their cells, the most frequent first."""
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{word} ({n:,} cells)" if n > 1 else f"{word} (1 cell)" for word, n in ranked)
