"""Messages in the user's words: the lines that later runs read stay, and nobody else can write them."""

from __future__ import annotations

import pytest

from cd4ml.errors import OptionsError
from cd4ml.gitops.messages import FIELDS, check_template, worded
from cd4ml.gitops.trailers import message, naming, trailers_of

IMAGE = "ghcr.io/owner/credit@sha256:" + "b" * 64
SAID = naming(
    message(
        "Deploy bbbb\n\nThe manifest gives it 10 %.",
        {
            "Cd4ml-Image": IMAGE,
            "Cd4ml-Source": "c" * 40,
            "Cd4ml-Model": "sha256:" + "d" * 64,
            "Cd4ml-Canary-Weight": "10",
        },
    ),
    "credit/values.yaml",
    None,
)


def test_template__words_change_and_trailers_stay() -> None:
    """Every field is filled, and the block of trailers is the one that it was."""
    template = "chore(credit): {title} [skip ci]\n\n{details} " + " ".join(f"{{{name}}}" for name in FIELDS)

    said = worded(template, SAID)

    assert said.startswith("chore(credit): Deploy bbbb [skip ci]\n\nThe manifest gives it 10 %. ")
    assert f"{IMAGE} {'b' * 12} {'c' * 12} {'d' * 12}" in said and "credit/values.yaml" in said
    assert trailers_of(said) == trailers_of(SAID)


def test_without_a_template__as_it_was() -> None:
    """Neither a template nor a sign-off leaves the message as it is."""
    assert worded(None, SAID) == SAID and worded(None, "Set weight") == "Set weight\n"


def test_sign_off__last_line_of_the_block() -> None:
    """The sign-off stands with the trailers, where git and bots look for it."""
    assert worded(None, SAID, "A B <a@b>").endswith("Cd4ml-Manifest: credit/values.yaml\nSigned-off-by: A B <a@b>\n")
    assert worded("{title}", "Set weight", "A B <a@b>") == "Set weight\n\nSigned-off-by: A B <a@b>\n"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{tittle}", "did you mean `title`"),
        ("{0}", "unknown field"),
        ("{}", "unknown field"),
        ("{title.__class__}", "unknown field"),
        ("{title!r}", "unknown field"),
        ("{title:>99999999}", "unknown field"),
        ("{title", "not a template"),
        ("  ", "must have words"),
        ("Deploy\n\nCd4ml-Image: other", "no line that begins with"),
        ("Deploy\n  Cd4ml-Rolled-Back: other", "no line that begins with"),
        ("Deploy\n\ncd4ml-image: other", "no line that begins with"),
    ],
)
def test_template__refused(template: str, words: str) -> None:
    """What cannot be filled, or would pass for a line of the suite's, is refused."""
    with pytest.raises(OptionsError, match=words):
        check_template(template)


@pytest.mark.parametrize("template", ["x\n\nCd{version}4ml-Promoted: " + IMAGE, "{version}", "x\nc{weight}D4ML-x"])
def test_filled__forges_nothing(template: str) -> None:
    """A field that is empty joins what stands around it: neither a line of the suite's nor an empty message results."""
    check_template(template)
    with pytest.raises(OptionsError, match="no line that begins with"):
        worded(template, naming(message("Deploy", {"Cd4ml-Image": IMAGE}), "credit/values.yaml", None))
