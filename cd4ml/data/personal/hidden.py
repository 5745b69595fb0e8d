"""Values that look personal, hidden where values of the data are shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Final

from cd4ml.data.personal.kinds import BY_NAME, SEPARATORS, Kind

_MAIL: Final = re.compile(BY_NAME["mail-address"].form)
# Where in a text a number of a kind may stand, with what separates its groups.
_NUMBERS: Final = (
    (BY_NAME["card-number"], re.compile(r"(?<![A-Za-z0-9])\d(?:[ .-]?\d){12,18}(?![A-Za-z0-9])")),
    (
        BY_NAME["iban"],
        re.compile(
            r"(?<![A-Za-z0-9])[A-Za-z]{2}\d\d(?:[ .-]?[A-Za-z0-9]{4}){2,7}(?:[ .-]?[A-Za-z0-9]{1,3})?(?![A-Za-z0-9])"
        ),
    ),
    (BY_NAME["phone-number"], re.compile(r"\+[1-9](?:[ .\-/()]{0,2}\d){7,14}(?!\d)")),
)
_SEPARATORS: Final = re.compile(SEPARATORS)


@dataclass(frozen=True)
class Hidden:
    """Stands for a value of a column that holds personal data."""

    title: str

    def __repr__(self) -> str:
        """Return what is said in place of the value."""
        return f"(not shown: {self.title})"


def hidden(text: str) -> str:
    """Return a text with every mail address, card number, IBAN and international phone number in it hidden.

    A number of a person that many other numbers look like is not known by itself: whoever knows its column hides it.
    """
    text = _MAIL.sub(f"({BY_NAME['mail-address'].title})", text)
    for kind, place in _NUMBERS:
        text = place.sub(partial(_hidden_number, kind), text)
    return text


def _hidden_number(kind: Kind, found: re.Match[str]) -> str:
    """Return what stands at such a place, or what it is if it is personal."""
    plain = _SEPARATORS.sub("", found[0]).upper()
    return f"({kind.title})" if re.search(kind.form, plain) and kind.valid(plain) else found[0]
