"""What a model card says, whatever it is written as: facts of the reports, words of people, and what is missing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from cd4ml.render.html.evidence import differences
from cd4ml.render.model_card.structure import EVIDENCE, FIELDS, HIGH_RISK, MEASURED, Need
from cd4ml.render.pipeline_run import Entry, Run
from cd4ml.report import Check, ModelIdentity, Status

Value = str | bool | Sequence[str]
NOT_STATED: Final = "not stated"
# A verdict of which numbers can be shown: a failed stage has measured, one that was skipped or broke has not.
_WITH_NUMBERS: Final = (Status.PASSED, Status.FAILED, Status.INCONCLUSIVE)
_IN_ADDRESSES: Final = "/:.?&=%~-_@+"
# What stands where an answer is still to be written: such a word, alone or with what is to be done, or no word at all.
_PLACEHOLDER: Final = re.compile(
    r"(?:TODO|TBD|TBA|FIXME|XXX)\b.*|(?i:todo|tbd|tba|fixme|xxx|to be (?:done|written|defined|determined|decided))"
    r"(?:\s*[^\w\s].*)?|[\W_]*",
    re.DOTALL,
)
_UNSEEN: Final = ("Cc", "Cf")
_BLANKS: Final = "\u115f\u1160\u2800\u3164\uffa0"


@dataclass(frozen=True, kw_only=True)
class Card:
    """A model card.

    Attributes:
        stated: what people say, by field; a field that nobody filled is not there.
        page: address of the HTML page of the same run, "" if links lead to the reports themselves.
        reports: path from the card to the folder of reports.
    """

    run: Run
    stated: Mapping[str, Value]
    page: str = ""
    reports: str = "."

    @property
    def candidate(self) -> ModelIdentity | None:
        """The model that the reports judge, None if they name none or do not agree on it."""
        return _agreed([entry.published.report.candidate for entry in self.run.entries])

    @property
    def production(self) -> ModelIdentity | None:
        """The model that it was compared with."""
        return _agreed([entry.published.report.production for entry in self.run.entries])

    @property
    def commit(self) -> str | None:
        """The commit that all reports are of."""
        commits = {entry.published.source.git_sha for entry in self.run.entries}
        return commits.pop() if len(commits) == 1 else None

    @property
    def notices(self) -> list[str]:
        """What the reports do not agree on."""
        return differences(self.run)

    def value(self, field: str) -> Value | None:
        """Return what is known of a field: what people say, else what the registry calls the candidate."""
        if field in self.stated and not _says_nothing(self.stated[field]):
            return self.stated[field]
        if field == "name" and self.candidate:
            return self.candidate.name
        if field == "version" and self.candidate:
            return self.candidate.version
        return None

    def of_stage(self, stage: str) -> list[Entry]:
        """Return the reports of a stage."""
        return [entry for entry in self.run.entries if entry.stage == stage]

    @property
    def missing(self) -> list[str]:
        """The required fields that nobody filled, and as `report:<stage>` the stages whose numbers are missing."""
        fields = [field.name for field in FIELDS.values() if self._needs(field.need) and self.value(field.name) is None]
        return [*fields, *(f"report:{stage}" for stage in self._without_numbers())]

    def _without_numbers(self) -> Iterator[str]:
        """Yield reports that cannot be read, and stages that had to run or must be evidence and have no numbers."""
        yield from self.run.unreadable
        gone = [stage for stage, status in self.run.absent if status == "missing"]
        demanded = [stage for stage, need in EVIDENCE.items() if self._needs(need)]
        for stage in dict.fromkeys([*demanded, *gone]):
            if stage not in self.run.unreadable and not any(
                entry.status in _WITH_NUMBERS for entry in self.of_stage(stage)
            ):
                yield stage

    def _needs(self, need: Need) -> bool:
        """Whether this card is incomplete without something."""
        return need is Need.ALWAYS or need is Need.HIGH_RISK and self.stated.get(HIGH_RISK) is True

    def link(self, entry: Entry) -> str:
        """Return the address of a report: its place on the page, or its file."""
        if self.page:
            return f"{quote(self.page, safe=_IN_ADDRESSES)}#stage-{self.run.entries.index(entry) + 1}"
        folder = "" if self.reports == "." else f"{self.reports}/"
        return quote(f"{folder}{entry.file}", safe="/._-")


def _says_nothing(value: Value) -> bool:
    """Whether an answer is none: nothing that can be seen, or a note that one is still to be written."""
    if isinstance(value, bool):
        return False
    return all(_PLACEHOLDER.fullmatch(_seen(one)) for one in ([value] if isinstance(value, str) else value))


def _seen(text: str) -> str:
    """Return what of a text can be seen."""
    kept = (" " if one in _BLANKS else one for one in text if one.isspace() or unicodedata.category(one) not in _UNSEEN)
    return "".join(kept).strip()


def shown(entry: Entry) -> list[Check]:
    """Return the checks of a report that a card shows: what did not pass, then those with a number."""
    checks = entry.published.report.checks
    odd = [check for check in checks if check.status is not Status.PASSED]
    passed = [check for check in checks if check.status is Status.PASSED and _is_number(check.value)]
    return [*odd, *sorted(passed, key=lambda check: check.interval is None)]


def results(card: Card) -> list[tuple[Entry, Check]]:
    """Return the candidate's metrics on all rows, each with the check that says it."""
    found: dict[str, tuple[Entry, Check]] = {}
    for entry in card.of_stage(MEASURED):
        measured = entry.published.report.metrics.get("candidate")
        for check in entry.published.report.checks:
            if check.slice or not isinstance(measured, Mapping) or not _is_number(check.value):
                continue
            if check.metric in measured and measured[check.metric] == check.value:
                found.setdefault(str(check.metric), (entry, check))
    return list(found.values())


def _is_number(value: object) -> bool:
    """Whether a value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _agreed(models: Sequence[ModelIdentity | None]) -> ModelIdentity | None:
    """Return the one model that reports name; of several mentions the one that says most."""
    found = [model for model in models if model]
    if len({model.sha256 for model in found}) != 1:
        return None
    return max(found, key=lambda model: (model.name is not None, model.version is not None))
