"""The gateway's settings: environment variables with plain names, each declared once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self

AUTO: Final = "auto"
MOST_WORKERS: Final = 64


class SettingsError(Exception):
    """A variable has a value that it cannot have."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a variable sets.

    Attributes:
        default: what counts where it is not set, or empty.
        kind: what its values are, in words.
        meaning: one sentence or two, in Markdown.
        least, most: of a number.
        words: what it may be, if that is one of a few words; of a number, what it may be instead.
    """

    default: str
    kind: str
    meaning: str
    least: int = 1
    most: int = 0
    words: Sequence[str] = ()

    def value(self, name: str, text: str) -> Any:
        """Return the value of a text.

        Raises:
            SettingsError: the variable cannot have it.
        """
        if self.most and text not in self.words:
            return _whole(name, text, self.least, self.most, self.words)
        if self.kind == "share":
            return _share(name, text, none=self.least == 0)
        if self.words and text not in self.words:
            raise SettingsError(f"{name} must be one of {', '.join(self.words)}, not {text[:40]!r}")
        return Path(text) if self.kind == "path" else text


def _whole(name: str, text: str, least: int, most: int, words: Sequence[str]) -> int:
    """Return a whole number in its range."""
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        form = " or ".join((f"a whole number from {least} to {most}", *words))
        raise SettingsError(f"{name} must be {form}, not {text[:40]!r}")
    return int(text)


def _share(name: str, text: str, *, none: bool) -> float:
    """Return a share: at most all."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1 or (found == 0 and not none):
        bounds = "from 0 to 1" if none else "above 0 and up to 1"
        raise SettingsError(f"{name} must be a number {bounds}, not {text[:40]!r}")
    return found


def _declared(default: Any, setting: Setting) -> Any:
    """Return a field of the settings."""
    return field(default=default, metadata={"setting": setting})


def whole(default: int, meaning: str, *, least: int = 1, most: int) -> int:
    """Declare a whole number."""
    setting = Setting(default=str(default), kind="whole number", meaning=meaning, least=least, most=most)
    return _declared(default, setting)  # type: ignore[no-any-return]


def whole_or_auto(default: int, meaning: str, *, most: int) -> int | str:
    """Declare a whole number that may be left to the machine."""
    setting = Setting(default=str(default), kind="whole number", meaning=meaning, most=most, words=(AUTO,))
    return _declared(default, setting)  # type: ignore[no-any-return]


def text(default: str, meaning: str) -> str:
    """Declare a text."""
    return _declared(default, Setting(default=default, kind="text", meaning=meaning))  # type: ignore[no-any-return]


def choice(default: str, words: Sequence[str], meaning: str) -> str:
    """Declare one of a few words."""
    setting = Setting(default=default, kind="word", meaning=meaning, words=words)
    return _declared(default, setting)  # type: ignore[no-any-return]


def share(default: float, meaning: str, *, none: bool = False) -> float:
    """Declare a share of something, which may be none if `none` says so."""
    setting = Setting(default=f"{default:g}", kind="share", meaning=meaning, least=0 if none else 1)
    return _declared(default, setting)  # type: ignore[no-any-return]


def path(default: str, meaning: str) -> Path:
    """Declare the path of a file or folder."""
    setting = Setting(default=default, kind="path", meaning=meaning)
    return _declared(Path(default), setting)  # type: ignore[no-any-return]


class FromEnvironment:
    """Settings whose fields are declared as below."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from the environment.

        Raises:
            SettingsError: a variable has a value that it cannot have.
        """
        found = {name: (environ.get(name, ""), setting) for name, setting in declared(cls)}
        return cls(**{name.lower(): setting.value(name, text) for name, (text, setting) in found.items() if text})


@dataclass(frozen=True, kw_only=True)
class Settings(FromEnvironment):
    """What the gateway is told by its environment; the variable of a field is its name in capital letters."""

    model_directory: Path = path("/app/model", "The model's folder.")
    service_file: Path = path("/app/service.json", "The file that says which model it is.")
    host: str = text("0.0.0.0", "The address on which it listens.")
    port: int = whole(8080, "The port on which it listens.", most=65535)
    workers: int | str = whole_or_auto(
        1,
        "How many processes serve; limits of connections, threads and queues hold for each. `auto`: as many as the "
        "CPU limit has whole processors, or the machine, if there is none.",
        most=MOST_WORKERS,
    )
    keep_alive_seconds: int = whole(
        75,
        "How long an idle connection stays open. It must be longer than the proxy keeps its own: 60 s for AWS's load "
        "balancers and ingress-nginx, 600 s for Google Cloud's (set `620` there).",
        most=86400,
    )
    header_seconds: int = whole(
        10, "How long a client may take to send a request's headers, or to read an answer.", most=3600
    )
    header_bytes: int = whole(65536, "The largest head of a request, in bytes.", least=1024, most=16 * 1024**2)
    connections: int = whole(1000, "How many connections may be open; one more is answered 503.", most=1_000_000)
    body_bytes: int = whole(1024 * 1024, "The largest body of a request, in bytes.", most=1024**3)
    body_seconds: int = whole(10, "How long a client may take to send a request's body.", most=3600)
    max_rows: int = whole(1000, "The most rows of a request.", most=1_000_000)
    drain_seconds: int = whole(20, "How long running requests may take to be answered after SIGTERM.", most=3600)
    drain_idle_seconds: int = whole(
        2,
        "How long after SIGTERM open connections are still answered (and told to close) before idle ones are closed.",
        least=0,
        most=3600,
    )
    threads: int = whole(4, "How many requests are predicted at once, where a thread predicts.", most=256)
    waiting: int = whole(
        64, "How many requests may wait for a thread; one more is answered 503.", least=0, most=100_000
    )
    batch_wait_ms: int = whole(
        0,
        "How many milliseconds a request waits for others, so that the model is asked for all in one call, where a "
        "thread predicts; 0: not at all.",
        least=0,
        most=1000,
    )
    batch_rows: int = whole(32, "With so many rows such a call is made at once.", least=2, most=100_000)
    execution_provider: str = choice(
        "cpu",
        ("cpu", "cuda", "tensorrt", "migraphx", "openvino"),
        "What ONNX Runtime calculates with, on the fast road. The image's own ONNX Runtime has `cpu` alone.",
    )
    cache: str = choice(
        "off",
        ("off", "prefer", "require"),
        "Whether predictions are kept in Redis: `prefer` goes on without it, `require` is ready only with it.",
    )
    redis_url: str = text(
        "", "Where the cache is: `redis://`, `rediss://` (TLS) or `unix://`, with user, password and database."
    )
    redis_cluster: str = choice("false", ("false", "true"), "Whether `REDIS_URL` is a node of a cluster.")
    cache_seconds: int = whole(3600, "How long a prediction is kept.", most=31_536_000)
    cache_budget_ms: int = whole(
        50, "How many milliseconds a request may wait for Redis altogether, until the breaker opens.", most=10_000
    )
    cache_slow_ms: int = whole(
        5,
        "An answer of Redis that takes longer counts against it; while one is outstanding for longer, and while Redis "
        "is on probation, no request waits longer.",
        most=10_000,
    )
    cache_secret: str = text(
        "", "A secret of at least 16 bytes by which values are sealed, so that nobody else can write one."
    )
    feature_store_url: str = text(
        "",
        "Where features by key are: Redis as for `REDIS_URL`, or a Feast feature server (`http://`, `https://`); "
        "nowhere if empty.",
    )
    feature_store_cluster: str = choice("false", ("false", "true"), "Whether it is a node of a Redis cluster.")
    feature_store_token: str = text("", "A bearer token for a Feast feature server.")
    feature_entities: str = text(
        "",
        "Which entities requests may name, and which features the store has of each: "
        '`{"customer_id": {"type": "long", "features": ["income", "city"]}}`.',
    )
    feature_prefix: str = text("cd4ml:features", "What the keys of features in Redis begin with.")
    feature_missing: str = choice(
        "refuse",
        ("refuse", "null"),
        "What becomes of a feature that the store does not have: the request is refused, or the value is missing "
        "where the model's signature allows that.",
    )
    feature_max_age_seconds: int = whole(
        0, "How old a feature may be; an older one counts as missing. 0 for no limit.", least=0, most=3_155_760_000
    )
    feature_budget_ms: int = whole(
        50, "How many milliseconds a request may wait for its features, all retries together.", most=10_000
    )
    events: str = text(
        "",
        "Where prediction events go: the path of a file, `stdout`, `redis://HOST:PORT/STREAM` or "
        "`kafka://HOST:PORT/TOPIC`; nowhere if empty.",
    )
    events_sample: float = share(1.0, "The share of requests that have events, decided by the trace id.")
    events_omit: str = text(
        "", "Columns that events leave out, separated by commas or line ends; `*` leaves out all of them."
    )
    events_hash: str = text("", "Columns that events hold as hashes, by `EVENTS_HASH_KEY`; `*` for all.")
    events_hash_key: str = text("", "The secret of the hashes, at least 16 bytes.")
    events_queue: int = whole(10_000, "How many events may wait; what comes then is dropped.", most=10_000_000)
    events_drain_seconds: int = whole(5, "How long the end of the gateway may wait for events.", most=600)
    events_file_bytes: int = whole(100 * 1024**2, "The size at which a file of events is rotated.", most=1024**4)
    events_files: int = whole(5, "How many files of events are kept, the current one among them.", most=1000)
    events_stream_length: int = whole(
        1_000_000, "How many of the newest events a Redis Stream keeps, roughly.", most=1_000_000_000
    )
    track: str = text("stable", "What this gateway is in a rollout: `stable`, `canary`, `shadow` or a variant's name.")
    cohort: str = text("", "The group of users that it serves.")
    track_header: str = text(
        "", "A request header that says the track instead, as a router sets it that clients cannot go past."
    )
    cohort_header: str = text("", "A request header that says the cohort instead.")
    log_level: str = choice(
        "info",
        ("debug", "info", "warning", "error"),
        "The least level that is logged.",
    )
    log_sample: float = share(
        1.0, "The share of requests answered without an error that have a line in the log.", none=True
    )
    ranges_file: str = text(
        "",
        "A file that says what values of each feature are usual; without it, the one that build-image wrote if "
        "`feature-ranges` was set: "
        '`{"ranges": {"age": {"minimum": 18, "maximum": 75}, "city": {"categories": ["Oslo", "Bergen"]}}}`.',
    )
    out_of_range: str = choice(
        "count",
        ("off", "count", "refuse"),
        "What becomes of values outside: counted in `cd4ml_out_of_range_values_total`, or refused with 422 as well.",
    )


def declared(settings: type[FromEnvironment] = Settings) -> Iterator[tuple[str, Setting]]:
    """Yield the variables, and what each sets."""
    for one in fields(settings):  # type: ignore[arg-type]
        assert one.default is not MISSING
        yield one.name.upper(), one.metadata["setting"]
