"""Words that everybody uses: texts without secrets, texts that are not commands, and the name that was meant."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar
from urllib.parse import quote

# An address that was taken for a path has lost a slash; what MLflow writes with one slash is a name, and no address.
# It ends at a quote, but for one within a user and password (what follows that does not end a text in JSON or Python),
# and where the next address of a list without spaces begins, but for one within a query.
_SCHEME: Final = r"(?!models:|runs:)\b[A-Za-z][A-Za-z0-9+.-]{1,30}:/{1,2}"
_ADDRESS: Final = re.compile(
    rf"(?P<scheme>{_SCHEME})"
    r"(?P<rest>(?:(?:[^\s/?#@'\"<>]|['\"<>](?![,:;.)\]}]))*@)?"
    rf"(?:(?!(?<![A-Za-z0-9+.-]){_SCHEME})[^\s'\"<>?])*(?:\?[^\s'\"<>]*)?)"
)
# user:password@ up to the last @ of the word, since a password may hold any character; host:port/ is none.
_USER_AND_PASSWORD: Final = re.compile(r"[^/?#@:]*:(?!\d+(?:[/?#]|$))\S*@")
_USER: Final = re.compile(r"[^/?#]*@")
_QUERY: Final = re.compile(r"\?.+")
# Settings of a connection, as JDBC, ODBC and Azure write them.
_SETTING: Final = re.compile(
    r"(?P<name>[;&?,]\s*(?:password|pwd|passwd|accountkey|sharedaccess(?:key|signature)|secret)\s*=)\s*[^\s;&'\"]+",
    re.I,
)
# Variables that hold a secret itself, and not where one is kept.
_SECRET: Final = re.compile(
    r"(TOKEN|PASSWORD|PASSWD|PASSPHRASE|_PWD|_PAT|SECRET|CONNECTION_STRING|"
    r"(SECRET|ACCESS|ACCOUNT|STORAGE|API|AUTH|PRIVATE|SIGNING|EVIDENCE|COSIGN|SSH|GPG|DEPLOY|ENCRYPTION|MASTER|KAGGLE)"
    r"_?KEY(_PEM|_BASE64|_B64)?)$",
    re.I,
)
_SHORTEST_SECRET: Final = 8
# How an option names a variable that holds a secret.
VARIABLE: Final = "env://"
_NAMED: Final = re.compile(rf"{VARIABLE}[A-Za-z_][A-Za-z0-9_]{{0,127}}")
_PRIVATE_KEY: Final = "PRIVATE KEY-----"
# Lines of a key that is written over several: whoever wraps or joins a text leaves them whole.
_SHORTEST_LINE: Final = 16
T = TypeVar("T")


def holds_secret(variable: str) -> bool:
    """Whether a variable of the environment holds a secret itself, by its name."""
    return _SECRET.search(variable) is not None


def names_place(value: str) -> bool:
    """Whether a value is `env://NAME` or a file that is there; any other may be the secret itself, and is not shown."""
    try:
        return _NAMED.fullmatch(value) is not None or os.path.isfile(value)
    except ValueError:  # a character that no name holds
        return False


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean …?)` for the closest known word, or nothing."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean `{matches[0]}`?)" if matches else ""


def installs(lock: str) -> str:
    """Say how to install libraries that a stage needs only for some inputs, and that its own lock file lacks."""
    return f"Install requirements/{lock}.txt; in a workflow set the variable CD4ML_REQUIREMENTS: {lock}."


def safe(text: str) -> str:
    """Return text from data so that neither a terminal nor a runner takes any of it for a command.

    Control and format characters (among them bidirectional overrides) are shown escaped, and `::` and `##[`, which a
    runner looks for, are broken by a zero-width joiner written as an escape.
    """
    shown = "".join(
        character if unicodedata.category(character) not in ("Cc", "Cf", "Zl", "Zp", "Cs") else ascii(character)[1:-1]
        for character in text
    )
    while "::" in shown or "##[" in shown:
        shown = shown.replace("::", ": :").replace("##[", "# #[")
    return shown


def redacted(text: str) -> str:
    """Return the text without the users, passwords and queries (which may be signed) of addresses."""
    text = _ADDRESS.sub(_redacted_address, text) if ":/" in text else text
    return _SETTING.sub(r"\g<name>***", text) if "=" in text else text


def _redacted_address(found: re.Match[str]) -> str:
    """Return one address as anybody may see it."""
    rest = found["rest"]
    credentials = _USER_AND_PASSWORD.match(rest) or _USER.match(rest)
    if credentials:
        rest = f"***@{rest[credentials.end() :]}"
    return found["scheme"] + _QUERY.sub("?***", rest)


@dataclass(frozen=True, kw_only=True)
class Redactor:
    """Takes out of everything that a run publishes what nobody else may read.

    Attributes:
        secrets: values of the caller's secret variables, the longest first.
    """

    secrets: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Redactor:
        """Return the redactor for a caller's environment."""
        values = {
            value
            for name, value in environ.items()
            if (holds_secret(name) or _PRIVATE_KEY in value) and len(value.strip()) >= _SHORTEST_SECRET
        }
        lines = {line.strip() for value in values for line in value.splitlines() if len(line.strip()) >= _SHORTEST_LINE}
        written = {form for value in values for form in (value, value.strip(), quote(value, safe=""))} | lines
        return cls(secrets=tuple(sorted(written, key=len, reverse=True)))

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return redacted(text)

    def everywhere(self, value: T) -> T:
        """Return a value (a report, a document) with every text in it redacted, however deep."""
        return self._everywhere(value)  # type: ignore[no-any-return]

    def _everywhere(self, value: Any) -> Any:
        if isinstance(value, Enum):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            shown: dict[Any, Any] = {}
            for key, item in value.items():
                name = self._everywhere(key)
                while name in shown:  # two that differed only in what is redacted
                    name = f"{name}'"
                shown[name] = self._everywhere(item)
            return shown
        if isinstance(value, list | tuple):
            return type(value)(self._everywhere(item) for item in value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = (field.name for field in dataclasses.fields(value) if field.init)
            return dataclasses.replace(value, **{name: self._everywhere(getattr(value, name)) for name in fields})
        return value
