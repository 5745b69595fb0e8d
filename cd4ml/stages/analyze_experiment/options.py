"""What analyze-experiment can be told, and what of it would decide nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cd4ml.data.tables.dialect import CsvOptions
from cd4ml.errors import OptionsError
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option
from cd4ml.metrics.statistics.spending import Spending
from cd4ml.stages.analyze_experiment.declared import Metric, parsed
from cd4ml.wording import nearest

EXAMPLE: Final = (
    "--data data/units.parquet --variant variant --expected control=0.5,new=0.5 --metrics converted=proportion"
)
OUTPUTS: Final[dict[str, str]] = {
    "winner": "The variant that is shown to be better, empty if none is.",
    "mismatch": "`true` if the assignment of units is not as planned, so that no metric was read, else `false`.",
}
_CONTROL: Final = "control"


class ReadingKind(StrEnum):
    """How an experiment is read; to be declared before it starts."""

    FIXED = "fixed"
    SEQUENTIAL = "sequential"


@dataclass(frozen=True, kw_only=True)
class Options(CsvOptions):
    """Options of analyze-experiment."""

    data: tuple[str, ...] = vocabulary.DATA.here("They have one row a unit.", required=True)
    variant: str = option(
        "Column that says which variant a unit was given.", required=True, example="variant", group=Group.INPUT
    )
    expected: Mapping[str, float] = option(
        "Every planned variant with its share of the units.",
        required=True,
        example="control=0.5, new=0.5",
        group=Group.INPUT,
    )
    metrics: Mapping[str, str] = option(
        "What is compared, by name: `mean` or `proportion` (of zeros and ones) of the column of this name, "
        "`quantile:0.95` of it, or `ratio:numerator/denominator` of the sums of two columns. Another column than that "
        "of the name follows an `@`.",
        required=True,
        example="converted=proportion, revenue=mean, p95=quantile:0.95@latency_ms, ctr=ratio:clicks/views",
        group=Group.METRICS,
    )
    control: str | None = option(
        "The variant that the others are compared with (default: `control`, else the first in expected).",
        example="control",
        of_data=True,
        group=Group.INPUT,
    )
    unit: str | None = option(
        "Column that identifies a unit; with it, units in several rows or variants are found.",
        example="user_id",
        group=Group.INPUT,
    )
    covariates: Mapping[str, str] = option(
        "For a metric, a column of the time before the experiment that reduces its variance (CUPED).",
        example="revenue=revenue_before",
        group=Group.METRICS,
    )
    lower_is_better: tuple[str, ...] = option(
        "Metrics of which less is better.", example="latency_ms", group=Group.METRICS
    )
    guardrails: Mapping[str, float] = option(
        "Metrics that need not improve, with the loss in their units that must be ruled out; all others must improve.",
        example="latency_ms=5",
        group=Group.LIMITS,
    )
    minimum_effect: Mapping[str, float] = option(
        "The smallest improvement of a metric that matters, in its units; the units still needed are those for it.",
        example="converted=0.005",
        group=Group.LIMITS,
    )
    reading: ReadingKind = option(
        "How the experiment is read, declared before it starts: `fixed` (once, at the end) or `sequential` (again and "
        "again).",
        default=ReadingKind.FIXED,
        group=Group.DECISION,
    )
    planned_units: int | None = option(
        "Units of all variants at the planned end. A fixed reading waits for them; a sequential one needs them.",
        example="20000",
        group=Group.DECISION,
    )
    looks: int | None = option(
        "For a sequential reading, equally spaced looks declared beforehand, at each of which it runs once; without "
        "them it may run at any time.",
        example="10",
        group=Group.DECISION,
    )
    spending: Spending = option(
        "How declared looks spend the level: little at first (`obrien-fleming`) or evenly (`pocock`).",
        default=Spending.OBRIEN_FLEMING,
        group=Group.DECISION,
    )
    alpha: float = vocabulary.ALPHA.here("Guardrails have it to themselves.", default=0.05)
    mismatch_alpha: float = option(
        "Chance of calling a correct assignment a sample ratio mismatch.", default=0.01, group=Group.DECISION
    )
    minimum_units: int = option(
        "Units of each variant below which nothing is decided.", default=100, group=Group.DECISION
    )
    days: float | None = option(
        "Days that the experiment has run so far, to say how many more it needs.", example="7", group=Group.ADVANCED
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the options declare, read.

    Attributes:
        shares: planned, with sum 1, the control first.
        metrics: by name.
    """

    control: str
    shares: Mapping[str, float]
    metrics: Mapping[str, Metric]

    @property
    def variants(self) -> list[str]:
        """All variants but the control."""
        return [name for name in self.shares if name != self.control]


def plan(options: Options) -> Plan:
    """Return what the options declare.

    Raises:
        OptionsError: they contradict each other, or decide nothing.
    """
    metrics, problems = parsed(options.metrics)
    problems += [*_variants(options), *_of_metrics(options), *_of_reading(options)]
    problems += [
        f"covariates: {name} is a quantile; only means, proportions and ratios can have one"
        for name, metric in metrics.items()
        if metric.share is not None and name in options.covariates
    ]
    if problems:
        raise OptionsError(problems)
    control, whole = _control(options), sum(options.expected.values())
    order = [control, *(name for name in options.expected if name != control)]
    return Plan(control=control, shares={name: options.expected[name] / whole for name in order}, metrics=metrics)


def _control(options: Options) -> str:
    """Return the control's name."""
    return options.control or (_CONTROL if _CONTROL in options.expected else next(iter(options.expected), ""))


def _variants(options: Options) -> Iterator[str]:
    """Yield what is wrong with the planned variants."""
    if len(options.expected) < 2:
        yield "expected must name at least two variants: with one there is nothing to compare"
    for name, share in options.expected.items():
        if not 0 < share < float("inf"):
            yield f"expected: the share of {name} must be above 0, got {share:g}"
    if options.control and options.control not in options.expected:
        yield f"control: `{options.control}` is not in expected{nearest(options.control, options.expected)}"


def _of_metrics(options: Options) -> Iterator[str]:
    """Yield what names an unknown metric, or sets what decides nothing."""
    for where, names in (
        ("covariates", options.covariates),
        ("lower-is-better", options.lower_is_better),
        ("guardrails", options.guardrails),
        ("minimum-effect", options.minimum_effect),
    ):
        for name in names:
            if name not in options.metrics:
                yield f"{where}: unknown metric `{name}`{nearest(name, options.metrics)}"
    for name, limit in options.guardrails.items():
        if not 0 <= limit < float("inf"):
            yield f"guardrails: the loss of {name} must be at least 0, got {limit:g}"
    for name, effect in options.minimum_effect.items():
        if not 0 < effect < float("inf"):
            yield f"minimum-effect of {name} must be above 0, got {effect:g}"
    if options.metrics and not set(options.metrics) - set(options.guardrails):
        yield "guardrails: every metric is one; at least one must be what the variant is to improve"


def _of_reading(options: Options) -> Iterator[str]:
    """Yield what contradicts the declared reading."""
    for name in ("alpha", "mismatch_alpha"):
        if not 0 < getattr(options, name) < 1:
            yield f"{name.replace('_', '-')} must be above 0 and below 1, got {getattr(options, name):g}"
    for name, least in (("planned_units", 1), ("looks", 1), ("minimum_units", 2)):
        value = getattr(options, name)
        if value is not None and value < least:
            yield f"{name.replace('_', '-')} must be at least {least}, got {value}"
    if options.days is not None and not 0 < options.days < float("inf"):
        yield f"days must be above 0, got {options.days:g}"
    if options.reading is ReadingKind.SEQUENTIAL and options.planned_units is None:
        yield "reading: sequential needs planned-units, the size for which it is tuned"
    if options.reading is ReadingKind.FIXED and options.looks is not None:
        yield "looks are for reading: sequential"
    if options.looks is not None and options.looks > 1000:
        yield f"looks must be at most 1000, got {options.looks}; without looks the reading may run at any time"
