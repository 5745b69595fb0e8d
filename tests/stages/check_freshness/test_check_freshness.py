"""check-freshness: each way in which a table can be old, or not tell how old it is, is found; a fresh one passes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cd4ml.stages.check_freshness.options import Options, plan
from cd4ml.stages.check_freshness.run import judge
from cd4ml.stages.check_freshness.stamp import Written
from tests.actions.act import commit
from tests.conftest import Run

Cd4ml = Callable[..., Run]


def ago(hours: float) -> datetime:
    """Return the moment so many hours ago."""
    return datetime.now(UTC) - timedelta(hours=hours)


def table(folder: Path, *hours: float, name: str = "scores.parquet", **options: Any) -> Path:
    """Write a table whose rows were loaded so many hours ago."""
    rows = [(ago(one), place) for place, one in enumerate(hours)]
    frame = pl.DataFrame(rows, schema={"at": pl.Datetime("us", "UTC"), "n": pl.Int64}, orient="row")
    frame.write_parquet(folder / name, **options)
    return folder / name


def reasons(run: Run) -> dict[str, str]:
    """Return the reason of each check that did not pass, by its id."""
    return {check["id"]: check["reason"] for check in run.report["checks"] if check["status"] != "passed"}


@pytest.mark.parametrize(
    ("hours", "found"),
    [
        ([30, 2, 100], {}),
        ([30, 100], {"age": "stale"}),
        ([2, -3], {"stamp": "in-the-future"}),
        ([], {"rows": "empty-table", "stamp": "no-stamp"}),
    ],
)
def test_column(cd4ml: Cd4ml, tmp_path: Path, hours: Sequence[float], found: Mapping[str, str]) -> None:
    """The latest time in a column decides; one in the future hides nothing, and an empty table is not fresh."""
    table(tmp_path, *hours)

    run = cd4ml("check-freshness", "--table", "scores.parquet", "--column", "at", "--maximum-age", "26")

    assert (run.code, reasons(run)) == (1 if found else 0, dict(found))
    assert run.report["outputs"] == {"stale": "true" if found else "false"}


@pytest.mark.parametrize(("hours", "found"), [(1, {}), (30, {"age": "stale"}), (-2, {"stamp": "in-the-future"})])
def test_file(cd4ml: Cd4ml, tmp_path: Path, hours: float, found: Mapping[str, str]) -> None:
    """Without a stamp of its own, a table is as old as its newest file."""
    (tmp_path / "scores").mkdir()
    for name, age in (("a", hours), ("b", hours + 100)):
        path = table(tmp_path, 500, name=f"scores/{name}.parquet")
        os.utime(path, (ago(age).timestamp(),) * 2)

    run = cd4ml("check-freshness", "--table", "scores", "--maximum-age", "26")

    assert (run.code, reasons(run)) == (1 if found else 0, found)


def test_file__of_a_checkout_refused(cd4ml: Cd4ml, tmp_path: Path) -> None:
    """The time of a file that git tracks is that of the checkout, and passes for nothing."""
    table(tmp_path, 500)
    commit(tmp_path)

    run = cd4ml("check-freshness", "--table", "scores.parquet", "--maximum-age", "26")

    assert (run.code, run.report["status"]) == (2, "error")
    assert "checkout" in run.report["checks"][0]["message"]


@pytest.mark.parametrize(
    ("note", "code", "reason"),
    [(1, 0, None), (30, 1, "stale"), (None, 1, "no-stamp"), ("yesterday", 2, "bad-input")],
)
def test_parquet_metadata(cd4ml: Cd4ml, tmp_path: Path, note: Any, code: int, reason: str | None) -> None:
    """The time that a Parquet file notes of itself decides; where it notes none the check fails."""
    metadata = {} if note is None else {"written_at": note if isinstance(note, str) else ago(note).isoformat()}
    pq.write_table(pa.table({"n": [1, 2]}).replace_schema_metadata(metadata), tmp_path / "t.parquet")

    run = cd4ml("check-freshness", "--table", "t.parquet", "--metadata-key", "written_at", "--maximum-age", "26")

    assert (run.code, next(iter(reasons(run).values()), None)) == (code, reason)


def delta(folder: Path) -> deltalake.DeltaTable:
    """Return a Delta table whose rows came, by its log, two days ago, and to which much has been done since."""
    path = str(folder / "lake")
    rows = pa.table({"n": [1, 2, 3]})
    deltalake.write_deltalake(path, rows.slice(0, 2))
    deltalake.write_deltalake(path, rows.slice(2), mode="append")
    for log in (folder / "lake" / "_delta_log").glob("*.json"):
        text = log.read_text()
        (before,) = {part.split(",")[0].rstrip("}") for part in text.split('"timestamp":')[1:]}
        log.write_text(text.replace(f'"timestamp":{before}', f'"timestamp":{int(ago(48).timestamp() * 1000)}'))
    return deltalake.DeltaTable(path)


def test_delta__what_brings_no_rows_makes_nothing_fresh(cd4ml: Cd4ml, tmp_path: Path) -> None:
    """A Delta table is as old as the last commit that brought rows: deleting, compacting, vacuuming and writing none do
    not renew it, appending a row does."""
    lake = delta(tmp_path)
    lake.delete("n = 1")
    lake.optimize.compact()
    lake.vacuum(0, dry_run=False, enforce_retention_duration=False)
    deltalake.write_deltalake(str(tmp_path / "lake"), pa.table({"n": pa.array([], pa.int64())}), mode="append")
    old = cd4ml("check-freshness", "--table", "lake", "--maximum-age", "26")
    deltalake.write_deltalake(str(tmp_path / "lake"), pa.table({"n": [4]}), mode="append")
    new = cd4ml("check-freshness", "--table", "lake", "--maximum-age", "26")

    assert (old.code, reasons(old)) == (1, {"age": "stale"})
    assert next(check["value"] for check in old.report["checks"] if check["id"] == "age") == pytest.approx(48, abs=0.1)
    assert (new.code, new.report["status"]) == (0, "passed")


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis asks DuckDB in its old words
def test_warehouse(cd4ml: Cd4ml, tmp_path: Path) -> None:
    """A table of a warehouse is asked where it lies: one is fresh, one is old, one holds no time, one no time zone."""
    connection = duckdb.connect(str(tmp_path / "w.ddb"))
    connection.execute("set timezone = 'UTC'")
    for name, value in (("new", "now() - interval 2 hour"), ("old", "now() - interval 3 day"), ("gone", "null")):
        connection.execute(f"create table {name} as select ({value})::timestamptz as at, 1 as n")
    connection.execute('create table plain as select timezone(\'UTC\', "at") as "at" from new')
    connection.close()
    found = {}
    for name in ("new", "plain", "old", "gone"):
        arguments = ("--backend", "ibis://duckdb/w.ddb", "--column", "at", "--maximum-age", "26")
        run = cd4ml("check-freshness", "--table", name, *arguments)
        found[name] = (run.code, reasons(run))

    assert found == {
        "new": (0, {}),
        "plain": (0, {}),
        "old": (1, {"age": "stale"}),
        "gone": (1, {"stamp": "no-stamp"}),
    }


NOW = datetime(2026, 11, 27, 5, 0, tzinfo=UTC)  # the run of 04:00 is due at 06:30
DAILY = Options(table=("t",), schedule="0 4 * * *", deadline=2.5)


def judged(
    stamp: datetime | None, *, now: datetime = NOW, options: Options = DAILY, commits: Any = ()
) -> dict[str, str]:
    """Return what a stamp is judged as: the reason of each check, `passed` where there is none."""
    found = Written(stamp=stamp, where="the latest `at`", rows=3, commits=commits)
    return {check.id: check.reason or "passed" for check in judge("t", found, options, plan(options), now).checks}


def test_schedule__the_deadline_decides() -> None:
    """Before the deadline the table of yesterday is enough, from the deadline on it is not."""
    yesterday, today = datetime(2026, 11, 26, 4, 40, tzinfo=UTC), datetime(2026, 11, 27, 6, 0, tzinfo=UTC)
    before, after = NOW + timedelta(minutes=89), NOW + timedelta(minutes=90)

    assert judged(yesterday, now=before)["on-time"] == "passed"
    assert judged(yesterday, now=after)["on-time"] == "deadline-missed"
    assert judged(today, now=after)["on-time"] == "passed"
    assert judged(datetime(2026, 11, 26, 3, 59, tzinfo=UTC), now=before)["on-time"] == "deadline-missed"


def landings(*minutes: float | None) -> list[datetime]:
    """Return commits of the runs before the present one: so many minutes after four, None where nothing came."""
    days = range(1, len(minutes) + 1)
    fours = [datetime(2026, 11, 27, 4, 0, tzinfo=UTC) - timedelta(days=day) for day in days]
    return [four + timedelta(minutes=one) for four, one in zip(fours, minutes, strict=True) if one is not None]


@pytest.mark.parametrize(
    ("minutes", "found"),
    [
        ([70, 80, 90, 100, 110, 120], "passed"),
        ([30] * 6, "too-few-runs"),
        ([30] * 20, "longer-than-ever"),
        ([160, 170, 180, 200, 155, 190, 70], "overrun-likely"),
        ([None, None, None, None, None, None, 70], "overrun-likely"),
        ([70, 170, 80, 160], "too-few-runs"),
    ],
)
def test_overrun__by_commits(minutes: Sequence[float | None], found: str) -> None:
    """At five, an hour after its start, past runs tell whether the present one is likely to miss half past six."""
    commits = landings(*minutes)

    assert judged(commits[0] if minutes[0] else NOW - timedelta(days=1), commits=commits)["overrun"] == found


@pytest.mark.parametrize(
    ("taken", "running", "found"), [(70, True, "passed"), (170, True, "overrun-likely"), (100, False, "overrun-likely")]
)
def test_overrun__by_a_table_of_runs(cd4ml: Cd4ml, tmp_path: Path, taken: float, running: bool, found: str) -> None:
    """Past runs may stand in a table; one that has not even begun is late sooner."""
    starts = [datetime(2026, 11, day, 4, 0, tzinfo=UTC) for day in range(17, 27)]
    rows: list[tuple[datetime, datetime | None]] = [(start, start + timedelta(minutes=taken)) for start in starts]
    rows += [(datetime(2026, 11, 27, 4, 0, tzinfo=UTC), None)] if running else []
    frame = pl.DataFrame(rows, schema=["started_at", "finished_at"], orient="row")
    frame.write_parquet(tmp_path / "runs.parquet")
    os.chdir(tmp_path)
    options = Options(table=("t",), schedule="0 4 * * *", deadline=2.5, runs="runs.parquet")

    assert judged(datetime(2026, 11, 26, 5, 0, tzinfo=UTC), options=options)["overrun"] == found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "any age passes"),
        (("--schedule", "0 4 * * *"), "need each other"),
        (("--schedule", "61 4 * * *", "--deadline", "1"), "'61' is not a minute"),
        (("--schedule", "0 0 31 2 *", "--deadline", "1"), "no such day"),
        (("--maximum-age", "nan"), "maximum-age"),
        (("--maximum-age", "1", "--column", "n"), "holds no times"),
        (("--maximum-age", "1", "--column", "att"), "did you mean `at`"),
        (("--maximum-age", "1", "--stamp", "column"), "needs column"),
        (("--maximum-age", "1", "--stamp", "metadata"), "metadata-key"),
        (("--maximum-age", "1", "--backend", "ibis://duckdb/x.ddb"), "backend needs column"),
    ],
)
def test_what_decides_nothing__refused(cd4ml: Cd4ml, tmp_path: Path, arguments: Sequence[str], said: str) -> None:
    """Options that would let any table pass, or name what is not there, are refused before anything is decided."""
    table(tmp_path, 1)

    run = cd4ml("check-freshness", "--table", "scores.parquet", *arguments)

    assert run.code == 2
    assert said in run.report["checks"][0]["message"]


def test_missing_table__is_no_verdict(cd4ml: Cd4ml, tmp_path: Path) -> None:
    """A table that is not there ends with exit code 3, and leaves Prometheus what it had."""
    (tmp_path / "f.prom").write_text("")

    run = cd4ml("check-freshness", "--table", "gone.parquet", "--maximum-age", "1", "--textfile", "f.prom")

    assert (run.code, run.report["status"], (tmp_path / "f.prom").read_text()) == (3, "error", "")


def test_several_tables__each_has_its_checks(cd4ml: Cd4ml, tmp_path: Path) -> None:
    """One old table among several is named, and fails the stage."""
    table(tmp_path, 1, name="a.parquet")
    table(tmp_path, 99, name="b.parquet")

    run = cd4ml("check-freshness", "--table", "a.parquet, b.parquet", "--column", "at", "--maximum-age", "26")

    assert (run.code, reasons(run)) == (1, {"age@b.parquet": "stale"})


def test_text_column__times_as_texts(cd4ml: Cd4ml, tmp_path: Path) -> None:
    """CSV holds times as texts: they are read as ISO 8601, and a text that is none is an error."""
    (tmp_path / "a.csv").write_text(f"at,n\n{ago(1).isoformat()},1\n2020-01-01,2\n")
    (tmp_path / "b.csv").write_text("at,n\nlast Monday,1\n")
    arguments = ("--column", "at", "--maximum-age", "26")

    assert cd4ml("check-freshness", "--table", "a.csv", *arguments).code == 0
    assert cd4ml("check-freshness", "--table", "b.csv", *arguments).code == 2


def test_address__as_its_store_says(cd4ml: Cd4ml, tmp_path: Path) -> None:
    """A table at an address has the time that its file system tells, not that of the copy which was fetched."""
    path = table(tmp_path, 1)
    os.utime(path, (ago(50).timestamp(),) * 2)

    run = cd4ml("check-freshness", "--table", path.as_uri(), "--maximum-age", "26")

    assert (run.code, reasons(run)) == (1, {"age": "stale"})


def test_textfile__promtool_finds_nothing(cd4ml: Cd4ml, tmp_path: Path, program: Callable[[str], str]) -> None:
    """What Prometheus is given is what it reads: when each table was written, and when it will be overdue."""
    table(tmp_path, 1, name='a"b.parquet')
    table(tmp_path, name="empty.parquet")
    tables = '{"check-freshness": {"table": ["a\\"b.parquet", "empty.parquet"], "column": "at", "maximum-age": 26}}'
    (tmp_path / "cd4ml.yaml").write_text(tables)

    run = cd4ml("check-freshness", "--textfile", "f.prom")

    text = (tmp_path / "f.prom").read_text()
    command = [program("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (run.code, done.returncode, done.stdout + done.stderr) == (1, 0, "")
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    named, empty = r'{table="a\"b.parquet"}', '{table="empty.parquet"}'
    stamp = float(values[f"cd4ml_table_updated_timestamp_seconds{named}"])
    assert stamp == pytest.approx(ago(1).timestamp(), abs=60)
    assert float(values[f"cd4ml_table_due_timestamp_seconds{named}"]) == pytest.approx(stamp + 26 * 3600, abs=0.01)
    assert (values[f"cd4ml_table_fresh{named}"], values[f"cd4ml_table_fresh{empty}"]) == ("1.0", "0.0")
    assert f"cd4ml_table_due_timestamp_seconds{empty}" not in values
