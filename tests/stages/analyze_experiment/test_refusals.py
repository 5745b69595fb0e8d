"""What cannot be read never passes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import ROOT, Run, run_cd4ml
from tests.stages.analyze_experiment.conftest import Analyze, by_id, units


@pytest.mark.parametrize(
    ("value", "reason"), [(None, "missing-values"), (math.nan, "missing-values"), (math.inf, "infinite-values")]
)
@pytest.mark.parametrize("column", ["revenue", "revenue_before"])
def test_gap_in_a_metric__fails(analyze: Analyze, column: str, value: float | None, reason: str) -> None:
    """One missing or infinite value of a metric or its covariate fails it, although the variant is better."""
    gap = pl.when(pl.col("user") == 7).then(pl.lit(value, dtype=pl.Float64)).otherwise(column).alias(column)
    run = analyze(units(lift=0.1).with_columns(gap), "--covariates", "revenue=revenue_before", metrics="revenue=mean")

    assert (run.code, by_id(run)["values:revenue"]["reason"]) == (1, reason)
    assert run.report["outputs"]["winner"] == ""


def test_gap_beside_a_winner__fails(analyze: Analyze) -> None:
    """A metric that could not be read keeps a variant from winning by the other ones."""
    gap = pl.when(pl.col("user") == 7).then(None).otherwise("revenue").alias("revenue")
    run = analyze(units(lift=0.1).with_columns(gap), metrics="converted=proportion,revenue=mean")

    assert run.code == 1
    assert run.report["outputs"]["winner"] == ""


@pytest.mark.parametrize(
    ("columns", "metrics", "id", "reason"),
    [
        ({"revenue": 1.0}, "revenue=mean", "values:revenue:new", "constant"),
        ({"latency": 1.0}, "p=quantile:0.5@latency", "values:p:new", "constant"),
        ({"revenue": 1.0}, "a:b=mean@revenue", "values:a%3Ab:new", "constant"),
        ({"converted": 2}, "converted=proportion", "values:converted", "no-proportion"),
        ({"views": 0}, "ctr=ratio:clicks/views", "values:ctr", "no-ratio"),
        ({"converted": 0}, "converted=proportion", "effect:converted:new", "too-few-outcomes"),
    ],
)
def test_values_that_show_nothing(
    analyze: Analyze, columns: dict[str, float], metrics: str, id: str, reason: str
) -> None:
    """Constants, other values than zeros and ones, denominators of 0 and proportions without ones never pass."""
    table = units(lift=0.1).with_columns(**{name: pl.lit(value) for name, value in columns.items()})
    run = analyze(table, metrics=metrics)

    assert run.code in (1, 4)
    assert by_id(run)[id]["reason"] == reason


def test_constant_covariate__fails(analyze: Analyze) -> None:
    """A covariate that explains nothing is a mistake."""
    run = analyze(
        units().with_columns(revenue_before=pl.lit(1.0)),
        "--covariates",
        "revenue=revenue_before",
        metrics="revenue=mean",
    )

    assert by_id(run)["values:revenue"]["reason"] == "constant-covariate"


def test_texts_in_a_metric__are_refused(analyze: Analyze) -> None:
    """A metric of texts is bad input, and the message says which column."""
    run = analyze(units().with_columns(revenue=pl.lit("12 EUR")), metrics="revenue=mean")

    assert run.code == 2
    assert "column `revenue` holds String" in run.report["checks"][0]["message"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--expected", "control=1"), "at least two variants"),
        (("--expected", "control=0.5,new=0"), "the share of new must be above 0"),
        (("--control", "contol"), "did you mean `control`"),
        (("--metrics", "converted=share"), "unknown kind"),
        (("--metrics", "ctr=ratio:clicks"), "ratio:numerator/denominator"),
        (("--metrics", "p=quantile:95"), "above 0 and below 1"),
        (("--guardrails", "converted=0.1"), "every metric is one"),
        (("--guardrails", "convert=0.1"), "unknown metric `convert`"),
        (("--covariates", "p=revenue", "--metrics", "p=quantile:0.5@latency"), "is a quantile"),
        (("--minimum-effect", "converted=0"), "must be above 0"),
        (("--reading", "sequential"), "planned-units"),
        (("--looks", "3"), "looks are for reading: sequential"),
        (("--alpha", "1"), "alpha must be above 0"),
        (("--metrics", "convert=proportion"), "has no column `convert` (did you mean `converted`?)"),
    ],
)
def test_options_that_decide_nothing__are_refused(
    cd4ml: Callable[..., Run], tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    """Options that contradict each other or name what is not there end with code 2 and say so."""
    units(200, 200).write_parquet(tmp_path / "units.parquet")
    fine = {"--data": "units.parquet", "--variant": "variant", "--expected": "control=0.5,new=0.5"}
    fine |= {"--metrics": "converted=proportion"} | dict(zip(arguments[::2], arguments[1::2], strict=True))
    run = cd4ml("analyze-experiment", *(word for pair in fine.items() for word in pair))

    assert run.code == 2
    assert told in run.report["checks"][0]["message"]


def test_empty_table__is_refused(analyze: Analyze) -> None:
    """No rows are no experiment."""
    assert analyze(units(0, 0)).code == 2


def test_csv_and_several_tables__are_the_same(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Two files of half the units each, one of them CSV, give the numbers of one table."""
    table = units(lift=0.1)
    table.write_parquet(tmp_path / "all.parquet")
    table.filter(pl.col("user") % 2 == 0).write_parquet(tmp_path / "even.parquet")
    table.filter(pl.col("user") % 2 == 1).write_csv(tmp_path / "odd.csv")
    shared = (
        "--variant",
        "variant",
        "--expected",
        "control=0.5,new=0.5",
        "--metrics",
        "revenue=mean",
        "--unit",
        "user",
    )
    one = cd4ml("analyze-experiment", "--data", "all.parquet", *shared)
    two = cd4ml("analyze-experiment", "--data", "even.parquet,odd.csv", *shared)

    effects = [run.report["metrics"]["effects"]["revenue"]["new"] for run in (one, two)]
    for name in ("value", "control", "lower", "upper", "p_value"):
        assert effects[0][name] == pytest.approx(effects[1][name], rel=1e-9)


def test_page__runs_as_shown(tmp_path: Path) -> None:
    """The configuration and the command of the page pass on a table with these columns, and draw the same page."""
    page = (ROOT / "docs" / "stages" / "analyze-experiment.md").read_text()
    (tmp_path / "data").mkdir()
    table = units(20_000, 20_000, lift=0.05).rename({"user": "user_id", "latency": "latency_ms"})
    table.write_parquet(tmp_path / "data" / "units.parquet")
    (tmp_path / "cd4ml.yaml").write_text(page.partition("```yaml\n")[2].partition("```")[0])
    command = page.partition("$ cd4ml ")[2].partition("\n")[0].split()

    configured = run_cd4ml(tmp_path, "analyze-experiment")
    drawn = run_cd4ml(tmp_path, "report", "--output", "page.html")

    (tmp_path / "cd4ml.yaml").unlink()
    told = run_cd4ml(tmp_path, *command)

    assert (configured.code, told.code, drawn.code) == (0, 0, 0), configured.stdout + told.stdout + drawn.stdout
    assert "Effects" in (tmp_path / "page.html").read_text()
    assert "converted new" in (tmp_path / "page.html").read_text()


def test_same_table_twice__refused(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A table that is given twice, also under another name, would count its units twice: it is refused."""
    table = units(300, 300)
    for name in ("units.parquet", "again.parquet"):
        table.write_parquet(tmp_path / name)
    declared = ("--variant", "variant", "--expected", "control=0.5,new=0.5", "--metrics", "revenue=mean")

    for data in ("units.parquet,units.parquet", "units.parquet,again.parquet"):
        run = cd4ml("analyze-experiment", "--data", data, *declared)
        assert run.code == 2
        assert "its units would count twice" in run.report["summary"]
