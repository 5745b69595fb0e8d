"""Kinds of personal data that are recognised by their form, and most of them by their check digits as well."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# What stands between the characters of a number and says nothing.
SEPARATORS: Final = r"[ .\-/()]"
_MAIL: Final = r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24}"
_LUHN: Final = "luhn"
_CARD: Final = (
    r"(?:4\d{12}|4\d{15}|4\d{18}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[068]\d{12}|35\d{14}|"
    r"6(?:011|4[4-9]\d|5\d\d)\d{12}|62\d{14,17})"
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of personal data.

    Attributes:
        name: in ids of checks.
        title: in sentences, in the plural.
        form: pattern of a value without separators, or within texts of a part of it.
        module: of python-stdnum, which knows check digits, dates and lengths; "" if the form says it all.
        chance: the largest share of values of this form that pass by chance, whatever numbers they are: one over the
            number of check digits that there could be. 0 without check digits.
        within: whether it is found within texts, too.
        least: how many different values of this form it takes.
        column: what the column's name must hold where the form is that of many other numbers.
    """

    name: str
    title: str
    form: str
    module: str = ""
    chance: float = 0.0
    within: bool = False
    least: int = 1
    column: str = ""

    @property
    def valid(self) -> Callable[[str], bool]:
        """Whether a value that has the form is of this kind."""
        return _validator(self.module) if self.module else lambda value: True


KINDS: Final = (
    Kind(name="mail-address", title="mail addresses", form=_MAIL, within=True),
    # Three, because a signed number may look like one.
    Kind(name="phone-number", title="international phone numbers", form=r"^\+[1-9]\d{7,14}$", least=3),
    Kind(name="card-number", title="payment card numbers", form=f"^{_CARD}$", module=_LUHN, chance=1 / 10),
    Kind(name="iban", title="IBANs", form=r"^[A-Z]{2}\d\d[A-Z0-9]{11,30}$", module="iban", chance=1 / 97),
    Kind(name="be-nn", title="Belgian national numbers", form=r"^\d{11}$", module="be.nn", chance=2 / 97),
    # Two check digits, each 0 for two of eleven remainders.
    Kind(name="br-cpf", title="Brazilian CPF numbers", form=r"^\d{11}$", module="br.cpf", chance=4 / 121),
    Kind(name="ch-ahv", title="Swiss AHV numbers", form=r"^756\d{10}$", module="ch.ssn", chance=1 / 10),
    Kind(name="cn-ric", title="Chinese identity numbers", form=r"^\d{17}[0-9X]$", module="cn.ric", chance=1 / 11),
    Kind(
        name="de-idnr", title="German tax identification numbers", form=r"^[1-9]\d{10}$", module="de.idnr", chance=0.1
    ),
    Kind(name="es-dni", title="Spanish DNI numbers", form=r"^\d{8}[A-Z]$", module="es.dni", chance=1 / 23),
    Kind(name="es-nie", title="Spanish NIE numbers", form=r"^[XYZ]\d{7}[A-Z]$", module="es.nie", chance=1 / 23),
    Kind(
        name="fi-hetu",
        title="Finnish identity codes",
        form=r"^\d{6}[A-FU-Y+]?\d{3}[0-9A-FHJ-NPR-Y]$",
        module="fi.hetu",
        chance=1 / 31,
    ),
    Kind(
        name="fr-nir",
        title="French social security numbers",
        form=r"^[12]\d{4}(?:\d\d|2[AB])\d{8}$",
        module="fr.nir",
        chance=1 / 97,
    ),
    Kind(name="in-aadhaar", title="Indian Aadhaar numbers", form=r"^[2-9]\d{11}$", module="in_.aadhaar", chance=1 / 10),
    Kind(
        name="it-codice-fiscale",
        title="Italian tax codes",
        form=r"^[A-Z]{6}[0-9L-NP-V]{2}[A-EHLMPR-T][0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{3}[A-Z]$",
        module="it.codicefiscale",
        chance=1 / 26,
    ),
    Kind(name="nl-bsn", title="Dutch BSN numbers", form=r"^\d{9}$", module="nl.bsn", chance=1 / 11),
    Kind(
        name="no-fodselsnummer",
        title="Norwegian identity numbers",
        form=r"^\d{11}$",
        module="no.fodselsnummer",
        chance=1 / 121,
    ),
    Kind(name="pl-pesel", title="Polish PESEL numbers", form=r"^\d{11}$", module="pl.pesel", chance=1 / 10),
    Kind(
        name="se-personnummer",
        title="Swedish personal identity numbers",
        form=r"^(?:\d\d)?\d{10}$",
        module="se.personnummer",
        chance=1 / 10,
    ),
    # No check digit: nine of ten numbers of nine digits have the structure.
    Kind(
        name="us-ssn",
        title="US social security numbers",
        form=r"^\d{9}$",
        module="us.ssn",
        chance=0.9,
        column=r"(?i)(?:^|[^a-z])ssn(?:$|[^a-z])|social.?sec",
    ),
)
BY_NAME: Final = {kind.name: kind for kind in KINDS}


def _validator(module: str) -> Callable[[str], bool]:
    """Return whether a number is valid, by a module of python-stdnum."""
    from stdnum import exceptions  # loaded where there is a number to validate

    found = importlib.import_module(f"stdnum.{module}")
    # Banks' own rules within a country would be one module more for each country; the check digits are enough.
    more = {"check_country": False} if module == "iban" else {}

    def valid(value: str) -> bool:
        try:
            # Others know what may separate their digits, and to some it says something.
            found.validate(re.sub(SEPARATORS, "", value) if module == _LUHN else value, **more)
        except (exceptions.ValidationError, LookupError):  # of places that it does not know, a KeyError
            return False
        return True

    return valid
