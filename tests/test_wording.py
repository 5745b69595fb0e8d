"""What leaves a run holds no secret: not of an address, not of the environment, in no place."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cd4ml.report import Check, Report, Status
from cd4ml.wording import Redactor, redacted
from tests.conftest import Run

Cli = Callable[..., Run]
SECRET = "S3CR/ET?x@y"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/data.csv?X-Amz-Signature=abc&y=1 is missing", "https://h/data.csv?*** is missing"),
        ("abfss://u:pw@h/x.parquet?sig=abc", "abfss://***@h/x.parquet?***"),
        ("postgresql://u:p/w@h:5432/db", "postgresql://***@h:5432/db"),
        ("postgresql://u:p?w#x@h:5432/db", "postgresql://***@h:5432/db"),
        ("'https://TOKEN@h/x'", "'https://***@h/x'"),
        (
            "s3://bucket/table@12 and http://localhost:5000/table@12",
            "s3://bucket/table@12 and http://localhost:5000/table@12",
        ),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("models:/credit@champion?", "models:/credit@champion?"),
        ("models:/credit@champion", "models:/credit@champion"),
        ("https:/u:pw@h/c.yaml", "https:/***@h/c.yaml"),
        ("no address: a?b=c", "no address: a?b=c"),
        ("https://docs/page#part", "https://docs/page#part"),
        ("no read of postgres://u:pa'ss@h/db", "no read of postgres://***@h/db"),
        ('{"a":"http://h:5000","b":"x@y"}', '{"a":"http://h:5000","b":"x@y"}'),
        ("['http://h:5000','x:y@z']", "['http://h:5000','x:y@z']"),
        ("https://h/a,https://u:pw@h/b", "https://h/a,https://***@h/b"),
        ("s3://a/x;s3://b/y;http://c/z?sig=1", "s3://a/x;s3://b/y;http://c/z?***"),
        ("https://h/x?next=https://i/p&sig=abc", "https://h/x?***"),
        ("jdbc:sqlserver://h:1433;user=sa;password=pw;db=x", "jdbc:sqlserver://h:1433;user=sa;password=***;db=x"),
        ("AccountName=a;AccountKey=abc==;x", "AccountName=a;AccountKey=***;x"),
        ("slice password=yes", "slice password=yes"),
    ],
)
def test_redacted(text: str, shown: str) -> None:
    """Users, passwords and queries of addresses go; versions, ports and what is no address stay."""
    assert redacted(text) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "name",
    ["MLFLOW_TRACKING_TOKEN", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY", "MY_API_KEY", "MYSQL_PWD", "AZURE_STORAGE_KEY"]
    + ["COSIGN_PRIVATE_KEY", "openai_api_key", "EVIDENCE_KEY", "SIGNING_KEY_PEM", "SIGNING_KEY_B64"],
)
def test_secret_variable__goes_from_every_place_of_a_report(name: str) -> None:
    """The value of a variable that is named as a secret is in no text of a report, plain or percent-encoded."""
    redactor = Redactor.of({name: SECRET})
    check = Check(id=f"x:{SECRET}", status=Status.FAILED, message=SECRET, slice={SECRET: SECRET}, advice=SECRET)
    report = Report(
        stage="s",
        checks=(check,),
        summary="at S3CR%2FET%3Fx%40y",
        details={"a": [{SECRET: (SECRET,)}]},
        outputs={"o": SECRET},
    )

    shown = repr(redactor.everywhere(report))

    assert SECRET not in shown and "%2FET" not in shown
    assert redactor.everywhere(report).status is Status.FAILED


def test_private_key__goes_whatever_its_variable_is_called() -> None:
    """A private key in PEM is known by its own text, and each of its lines goes."""
    body = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49"
    redactor = Redactor.of({"LOANS": f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"})
    assert redactor.text(f"no key: {body}") == "no key: ***"


def test_plain_variable__stays() -> None:
    """A variable that is no secret by its name, or is too short to be one, changes nothing."""
    redactor = Redactor.of(
        {"PRIMARY_KEY": "customer_id", "TOKEN": "abc", "GOOGLE_APPLICATION_CREDENTIALS": "/x/key.json"}
    )

    assert redactor.text("customer_id abc /x/key.json") == "customer_id abc /x/key.json"


@pytest.mark.parametrize(
    ("stage", "arguments"),
    [
        ("validate-data", ("--data", "memory://u:{0}@h/x.parquet", "--schema", "s.yaml")),
        ("validate-data", ("--data", "https://127.0.0.1:9/x.parquet?sig={0}", "--schema", "s.yaml")),
        ("evaluate-model", ("--predictions", "x.parquet", "--minimum", "accuracy=https://u:{0}@h")),
        (
            "detect-drift",
            ("--reference", "https://127.0.0.1:9/x.csv?sig={0}", "--current", "https://u:{0}@127.0.0.1:9/y.csv"),
        ),
        (
            "score-model",
            (
                "--candidate",
                "models:/m@a",
                "--tracking-uri",
                "https://u:{0}@127.0.0.1:9",
                "--test-data",
                "t.csv",
                "--target",
                "y",
            ),
        ),
        ("schema", ("infer", "--data", "https://u:{0}@127.0.0.1:9/x.csv?sig={0}")),
        ("run", ("--config", "https://u:{0}@h/c.yaml")),
        ("https://u:{0}@h/?{0}", ()),
    ],
)
def test_secret_in_an_option__published_nowhere(
    tmp_path: Path,
    cd4ml: Cli,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stage: str,
    arguments: tuple[str, ...],
) -> None:
    """A password or a signature in an address is in no output, log, summary or report, whichever stage was given it."""
    (tmp_path / "s.yaml").write_text("schema_type: dataframe\ncolumns:\n  a: {dtype: int64}\n")
    (tmp_path / "t.csv").write_text("y\n1\n")
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    ended = cd4ml(stage.format("S3CRET"), *(argument.format("S3CRET") for argument in arguments), capsys=capsys)

    assert ended.code in (2, 3)
    published = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in [ended.stdout, ended.stderr, *published] if "S3CRET" in text]


def test_secret_of_several_lines__goes_line_by_line() -> None:
    """A key whose lines were joined or wrapped by a tool is still not shown; the working directory is no secret."""
    redactor = Redactor.of(
        {"SSH_PRIVATE_KEY": "-----BEGIN KEY-----\nabcdefghijklmnopqrstu\n-----END KEY-----", "PWD": "/home/me"}
    )

    assert redactor.text("failed: abcdefghijklmnopqrstu in /home/me") == "failed: *** in /home/me"


def test_redacted__long_lists_take_no_time() -> None:
    """Texts that begin an address again and again are read in one pass."""
    for text in ("ab://a" * 20_000, "https:/" * 20_000, "https://'" * 20_000, "ab:/," * 20_000):
        started = time.process_time()
        redacted(text)
        assert time.process_time() - started < 5


def test_keys_that_differ_in_a_secret_alone__both_kept() -> None:
    """Two entries whose names are the same once they are redacted stay two."""
    shown = Redactor().everywhere({"https://h/a?sig=1": 1, "https://h/a?sig=2": 2})

    assert sorted(shown.values()) == [1, 2]
    assert not any("sig" in key for key in shown)
