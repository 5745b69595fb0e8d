"""The messages of commits in words of the user's: a template, whose fields are what the commit is about."""

from __future__ import annotations

import string
from typing import Final

from cd4ml.errors import OptionsError
from cd4ml.gitops.trailers import (
    ADVANCED,
    CANARY_WEIGHT,
    IMAGE,
    MANIFEST,
    MODEL,
    PREFIX,
    PROMOTED,
    ROLLED_BACK,
    SOURCE,
    VERSION,
    trailers_of,
)
from cd4ml.wording import nearest

# Field -> what it holds.
FIELDS: Final = {
    "title": "the title that the commit would have",
    "details": "what the manifest gives the image",
    "image": "the image, by digest",
    "digest": "12 digits of it",
    "source": "12 digits of the commit that the model was made from",
    "model": "12 digits of the model's digest",
    "version": "its registered version",
    "weight": "the canary's weight",
    "manifest": "the manifest",
}
_IMAGES: Final = (IMAGE, ADVANCED, PROMOTED, ROLLED_BACK)


def check_template(template: str) -> None:
    """Refuse a template that cannot be filled, or could pass for what the suite says itself.

    Raises:
        OptionsError: it has an unknown field, is empty, or has a line that begins like a trailer of the suite.
    """
    try:
        names = [(name, spec, conversion) for _, name, spec, conversion in string.Formatter().parse(template)]
    except ValueError as error:
        raise OptionsError(f"commit-message is not a template: {error}") from error
    for name, spec, conversion in names:
        if name is not None and (name not in FIELDS or spec or conversion):
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise OptionsError(
                f"commit-message: unknown field {{{name}}}{nearest(name, FIELDS)}", advice=f"It may use {known}."
            )
    _check_words(template)


def _check_words(words: str) -> None:
    """Refuse words that are none, or that later runs could take for the suite's own lines."""
    if not words.strip() or any(line.strip().casefold().startswith(PREFIX.casefold()) for line in words.splitlines()):
        raise OptionsError(f"commit-message must have words, and no line that begins with {PREFIX}")


def worded(template: str | None, message: str, sign_off: str = "") -> str:
    """Return a message made here in the template's words; its trailers stay.

    Args:
        sign_off: who signs off, as `Name <address>`; empty for nobody.

    Raises:
        OptionsError: the template, filled, has no words, or a line that begins like a trailer of the suite.
    """
    trailers = trailers_of(message)
    words = message.removesuffix("\n").removesuffix(trailers).rstrip() if trailers else message.rstrip()
    if template:
        words = template.format_map(_fields(words, trailers)).strip()
        _check_words(words)  # once more: a field that is empty joins what stands around it
    last = f"Signed-off-by: {sign_off}" if sign_off else ""
    block = "\n".join(filter(None, (trailers, last)))
    return f"{words}\n\n{block}\n" if block else f"{words}\n"


def same_message(one: str, other: str) -> bool:
    """Whether two messages are one: the platform takes the first line apart, and git ends them in its own way."""
    first, second = (message.replace("\r\n", "\n").partition("\n") for message in (one, other))
    return (first[0].strip(), first[2].strip()) == (second[0].strip(), second[2].strip())


def _fields(words: str, trailers: str) -> dict[str, str]:
    """Return what a commit is about; every field in one line, so that none can pass for a trailer."""
    said = dict(line.split(": ", 1) for line in trailers.splitlines())
    title, _, details = words.partition("\n")
    image = next((said[name] for name in _IMAGES if name in said), "")
    found = {
        "title": title,
        "details": details,
        "image": image,
        "digest": image.rpartition("@sha256:")[2][:12],
        "source": said.get(SOURCE, "")[:12],
        "model": said.get(MODEL, "").removeprefix("sha256:")[:12],
        "version": said.get(VERSION, ""),
        "weight": said.get(CANARY_WEIGHT, ""),
        "manifest": said.get(MANIFEST, ""),
    }
    return {name: " ".join(value.split()) for name, value in found.items()}
