"""Personal data: every kind is found by published numbers, other numbers are not taken for it, no value is shown."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from stdnum import luhn
from stdnum.de import idnr
from stdnum.iso7064 import mod_97_10

from cd4ml.checks.data.personal import personal, personal_data_checks
from cd4ml.data.personal.hidden import hidden
from cd4ml.data.personal.kinds import BY_NAME, KINDS
from cd4ml.data.personal.search import MOST_VALIDATED, search
from cd4ml.data.tables.opening import open_table
from cd4ml.metrics.statistics.proportion import at_least
from cd4ml.report import Status

# Numbers that authorities and standards publish as examples, and those of python-stdnum's own documentation.
PUBLISHED = {
    "mail-address": ["jane.doe@example.org", "write to jane@example.co.uk, please"],
    "phone-number": ["+44 20 7946 0958", "+1 (202) 555-0143"],
    "card-number": ["4111 1111 1111 1111", "5555555555554444", "378282246310005", "6011111111111117"],
    "iban": ["GB29 NWBK 6016 1331 9268 19", "DE89370400440532013000", "NL91ABNA0417164300"],
    "be-nn": ["85.07.30-033 28"],
    "br-cpf": ["390.533.447-05", "11144477735"],
    "ch-ahv": ["756.9217.0769.85"],
    "cn-ric": ["360426199101010071"],
    "de-idnr": ["36 574 261 809", "86095742719"],
    "es-dni": ["54362315K", "12345678-Z"],
    "es-nie": ["x-2482300w"],
    "fi-hetu": ["131052-308T"],
    "fr-nir": ["2 95 10 99 126 111 93"],
    "in-aadhaar": ["2341 2341 2346"],
    "it-codice-fiscale": ["RCCMNL83S18D969H"],
    "nl-bsn": ["111222333", "123456782"],
    "no-fodselsnummer": ["151086 95088"],
    "pl-pesel": ["44051401359"],
    "se-personnummer": ["19811228-9874", "850709-9805"],
    "us-ssn": ["536-90-4399"],
}


def found(tmp_path: Path, values: Any, *, name: str = "x", rows: int = 10_000) -> set[str]:
    """Return the kinds that are found in a column."""
    pl.DataFrame({name: values}).write_parquet(tmp_path / "data.parquet")
    searched = search(open_table(str(tmp_path / "data.parquet")).source(), rows)
    return {count.kind.name for count in personal(searched)}


_CARDS = [int(f"{at}{luhn.calc_check_digit(str(at))}") for at in range(411111111111111, 411111111111131)]


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ([["a@example.org", None], [], None], {"mail-address"}),
        ([{"to": "a@example.org", "n": 1}, {"to": None, "n": 2}], {"mail-address"}),
        ([[{"to": "a@example.org"}], []], {"mail-address"}),
        ([b"a@example.org", b"\xff\xfe", None], {"mail-address"}),
        ([*map(float, _CARDS), None, float("nan")], {"card-number"}),
        ([0.5 + one for one in _CARDS], set()),
        (["git@github.com:owner/name.git", "ssh://git@host.example.org/x"], set()),
        (["from git@github.com and jane@example.org"], {"mail-address"}),
        (["ann.git@example.org"], {"mail-address"}),
    ],
)
def test_inside__other_types(tmp_path: Path, values: list[Any], kinds: set[str]) -> None:
    """Lists, structs, bytes and whole numbers with a fraction are looked into; addresses of repositories are none."""
    assert found(tmp_path, values) == kinds


@pytest.mark.parametrize("kind", BY_NAME)
def test_kind__published_numbers(kind: str) -> None:
    """A published number of each kind has its form and valid check digits; with one digit changed it has not."""
    seen = pl.Series(PUBLISHED[kind])
    plain = seen if BY_NAME[kind].within else seen.str.to_uppercase().str.replace_all(r"[ .\-/()]", "")

    assert plain.str.contains(BY_NAME[kind].form).all()
    valid = BY_NAME[kind].valid
    assert all(valid(text.upper()) for text in seen)
    if 0 < BY_NAME[kind].chance < 0.5:
        assert not any(valid(text[:-1] + ("A" if text[-1] != "A" else "B")) for text in plain)


def bsn(generator: random.Random) -> str:
    """Return a valid BSN."""
    while True:
        number = f"{generator.randrange(10**8, 10**9)}"
        if (
            sum(int(digit) * weight for digit, weight in zip(number, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True)) % 11
            == 0
        ):
            return number


def card(generator: random.Random) -> str:
    """Return a number with the form and check digit of a card's."""
    body = f"4{generator.randrange(10**14):014d}"
    return body + luhn.calc_check_digit(body)


def iban(generator: random.Random) -> str:
    """Return a valid German IBAN."""
    account = f"{generator.randrange(10**18):018d}"
    return f"DE{mod_97_10.calc_check_digits(f'{account}DE')}{account}"


def tax_id(generator: random.Random) -> str:
    """Return a valid German tax identification number."""
    while True:
        number = f"{generator.randrange(10**10, 10**11)}"
        if idnr.is_valid(number):
            return number


@pytest.mark.parametrize(
    ("make", "kind"), [(bsn, "nl-bsn"), (card, "card-number"), (iban, "iban"), (tax_id, "de-idnr")]
)
def test_search__finds_ten(make: Callable[[random.Random], str], kind: str, tmp_path: Path) -> None:
    """Ten different numbers are enough, as texts and as whole numbers, and that kind alone is found."""
    numbers = [make(random.Random(seed)) for seed in range(10)]

    assert found(tmp_path, numbers) == {kind}
    if numbers[0].isdigit():
        assert found(tmp_path, [int(number) for number in numbers]) == {kind}


def test_search__mail_and_phone(tmp_path: Path) -> None:
    """One mail address among texts is found, also in a category; of phone numbers it takes three different ones."""
    notes = [f"call {row}" for row in range(99)] + ["ask jane.doe@example.org"]
    assert found(tmp_path, notes) == {"mail-address"}
    assert found(tmp_path, pl.Series(notes, dtype=pl.Categorical)) == {"mail-address"}
    assert found(tmp_path, ["+1 202 555 0143"] * 50 + ["+1 202 555 0144"]) == set()
    assert found(tmp_path, [f"+1 202 555 01{n}" for n in range(10, 13)]) == {"phone-number"}


def test_search__context(tmp_path: Path) -> None:
    """Numbers of US social security have no check digit: only the column's name makes them such."""
    numbers = [f"536-{10 + n % 80}-{1000 + n}" for n in range(200)]

    assert found(tmp_path, numbers, name="customer_ssn") == {"us-ssn"}
    assert found(tmp_path, numbers, name="session") == set()


def clean(seed: int) -> dict[str, list[Any]]:
    """Return columns that hold no personal data, and look as if: ids at random, in sequence, times, codes, versions."""
    draw = random.Random(seed)
    columns: dict[str, list[Any]] = {}
    for digits in (8, 9, 10, 11, 12, 13, 14, 15, 16, 18):
        start = draw.randrange(10 ** (digits - 1), 9 * 10 ** (digits - 1))
        step = draw.choice([1, 1, 2, 3, 7, 10, 11, 97, 99, 100])
        columns[f"random {digits}"] = [draw.randrange(10 ** (digits - 1), 10**digits) for _ in range(300)]
        columns[f"sequence {digits}"] = [start + step * row for row in range(300)]
        columns[f"text {digits}"] = [f"{start + step * row}" for row in range(300)]
    columns["minutes"] = [f"2024{1 + n % 12:02d}{1 + n % 28:02d}{n % 24:02d}{n % 60:02d}" for n in range(300)]
    columns["seconds"] = [1_700_000_000 + draw.randrange(10**7) for _ in range(300)]
    columns["milliseconds"] = [1_700_000_000_000 + draw.randrange(10**9) for _ in range(300)]
    columns["card-like"] = [f"4{draw.randrange(10**15):015d}" for _ in range(300)]
    columns["iban-like"] = [f"DE{draw.randrange(10**20):020d}" for _ in range(300)]
    columns["dni-like"] = [f"{draw.randrange(10**8):08d}{draw.choice('ABCDEFGHJKLMNPQRSTVWXYZ')}" for _ in range(300)]
    columns["hex"] = [f"{draw.randrange(16**16):016x}" for _ in range(300)]
    columns["image"] = [f"registry/app@sha256:{draw.randrange(16**12):012x}" for _ in range(300)]
    columns["handle"] = [f"@user{n} and pkg@1.{n}.0" for n in range(300)]
    return columns


def test_search__clean_columns_are_not_named(tmp_path: Path) -> None:
    """Of 780 columns that look like identifiers none is named, although one in ten of their values passes."""
    hits = 0
    for seed in range(20):
        pl.DataFrame(clean(seed)).write_parquet(tmp_path / "data.parquet")
        searched = search(open_table(str(tmp_path / "data.parquet")).source(), 10_000)
        hits += sum(count.hits for count in searched.counts)
        assert [(count.column, count.kind.name) for count in personal(searched)] == []
    assert hits > 1000


def test_search__bounded(tmp_path: Path) -> None:
    """Only the first rows are looked at, as the check says, and check digits of a bounded number of values."""
    numbers = [card(random.Random(seed)) for seed in range(MOST_VALIDATED + 500)]
    pl.DataFrame({"x": ["a", "b"] * 1000 + numbers}).write_parquet(tmp_path / "data.parquet")
    source = open_table(str(tmp_path / "data.parquet")).source()

    assert personal(search(source, 2000)) == []
    (count,) = personal(search(source, 100_000))
    assert (count.hits, count.candidates) == (MOST_VALIDATED, MOST_VALIDATED)
    assert count.hits / count.values == pytest.approx(len(numbers) / (len(numbers) + 2), rel=1e-3)


def test_checks(tmp_path: Path) -> None:
    """A finding is a remark or blocks, names column, kind and share with its interval, and holds no value."""
    pl.DataFrame({"mail": ["jane.doe@example.org", "none"], "n": [1.5, 2.5]}).write_parquet(tmp_path / "x.parquet")
    searched = search(open_table(str(tmp_path / "x.parquet")).source(), 10)

    (remark,) = personal_data_checks(searched, [], blocks=False)
    (blocked,) = personal_data_checks(searched, [], blocks=True)
    (allowed,) = personal_data_checks(searched, ["mail"], blocks=True)

    assert (remark.status, blocked.status, allowed.status) == (Status.PASSED, Status.FAILED, Status.PASSED)
    assert remark.id == blocked.id == "personal-data:mail:mail-address" and remark.value == 0.5
    assert remark.interval and 0 < remark.interval.lower < 0.5 < remark.interval.upper < 1
    assert remark.message == "`mail` holds mail addresses: 50.0 % of 2 different values (first 2 rows)."
    assert "jane" not in repr([remark, blocked]) and list(personal_data_checks(searched, ["mail"], blocks=False)) == []


@pytest.mark.parametrize("kind", ["mail-address", "phone-number", "card-number", "iban"])
def test_hidden(kind: str) -> None:
    """Such a value is hidden wherever it stands in a text; what stands around it stays."""
    for number in PUBLISHED[kind]:
        shown = hidden(f"row 3: '{number}'; 17")
        assert BY_NAME[kind].title in shown and number not in shown and shown.endswith("; 17")


@pytest.mark.parametrize(
    "text", ["4111111111111112", "0.1234567890123456", "models:/credit@champion", "2024-01-01 10:00"]
)
def test_hidden__other_numbers_stay(text: str) -> None:
    """Numbers without valid check digits, fractions, aliases and times stay as they are."""
    assert hidden(text) == text


def test_at_least() -> None:
    """The binomial tail is exact: the whole, one toss, and a value by hand."""
    assert at_least(0, 5, 0.3) == pytest.approx(1)
    assert at_least(1, 1, 0.25) == pytest.approx(0.25)
    assert at_least(2, 3, 0.1) == pytest.approx(3 * 0.01 * 0.9 + 0.001)
    assert {kind.name for kind in KINDS} == set(PUBLISHED)
