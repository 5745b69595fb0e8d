"""Byte-exact edits: the target changes and nothing else, or nothing changes at all."""

from __future__ import annotations

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from cd4ml.errors import OptionsError
from cd4ml.gitops.edit import Edit, apply, documents

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def edit(*path: str | int, value: str | int | bool = NEW, document: int = 0) -> list[Edit]:
    """Return one edit."""
    return [Edit(document=document, path=path, value=value)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("image:\n  digest: OLD # pinned\n", "image:\n  digest: NEW # pinned\n"),
        ('image: {digest: "OLD", x: 1}\n', 'image: {digest: "NEW", x: 1}\n'),
        ("image:\n    digest:   'OLD'   \n", "image:\n    digest:   'NEW'   \n"),
        ("# head\r\nimage:\r\n  digest: OLD\r\n# tail", "# head\r\nimage:\r\n  digest: NEW\r\n# tail"),
        ('image:\n  digest: ""\n\n\n', 'image:\n  digest: "NEW"\n\n\n'),
        (
            "a: &x {k: 1.10}\nb: *x\nimage:\n  digest: OLD\non: yes\n",
            "a: &x {k: 1.10}\nb: *x\nimage:\n  digest: NEW\non: yes\n",
        ),
        ("a: &x 1\nb: &x 2\nc: *x\nimage: {digest: OLD}\n", "a: &x 1\nb: &x 2\nc: *x\nimage: {digest: NEW}\n"),
        ("\ufeff# 🎉\nimage: {digest: OLD}\n", "\ufeff# 🎉\nimage: {digest: NEW}\n"),
        ("%YAML 1.2\n---\nimage: {digest: OLD}\n", "%YAML 1.2\n---\nimage: {digest: NEW}\n"),
        ("ä: é # ü\nimage:\n  digest: OLD\n", "ä: é # ü\nimage:\n  digest: NEW\n"),
        ("image:\n  digest: OLD", "image:\n  digest: NEW"),
        (
            "image:\n  digest: OLD\nname: {{ .Values.name }}\nnames: {{ .Values.name }}\n",
            "image:\n  digest: NEW\nname: {{ .Values.name }}\nnames: {{ .Values.name }}\n",
        ),
        (
            "image: {digest: OLD}\n? [a, b]\n: 1\n? {a: b}\n: 2\n",
            "image: {digest: NEW}\n? [a, b]\n: 1\n? {a: b}\n: 2\n",
        ),
        ("image: {digest: OLD}\nx: {? [a] : 1, ? [a] : 2}\n", "image: {digest: NEW}\nx: {? [a] : 1, ? [a] : 2}\n"),
        ("image: {digest: OLD}\nx: {a: 1, a: 2}\n", "image: {digest: NEW}\nx: {a: 1, a: 2}\n"),
    ],
)
def test_apply__only_the_target(before: str, after: str) -> None:
    """Comments, quotes, anchors, line endings, spaces and odd scalars elsewhere stay byte for byte."""
    changed = apply(before.replace("OLD", OLD), edit("image", "digest"))

    assert changed == after.replace("NEW", NEW)


def test_apply__one_document_of_many() -> None:
    """In a file of several documents only the named one changes."""
    text = f"---\nimage: {OLD}\n---\nimage: {OLD}\n...\n---\nx: 1\n"

    assert apply(text, edit("image", document=1)) == f"---\nimage: {OLD}\n---\nimage: {NEW}\n...\n---\nx: 1\n"


def test_apply__numbers_and_booleans_keep_their_type() -> None:
    """A weight stays a number and a switch stays a switch; quoted ones stay quoted."""
    text = 'canary: {weight: 0, enabled: false}\nquoted: "0"\n'
    edits = [*edit("canary", "weight", value=10), *edit("canary", "enabled", value=True), *edit("quoted", value=10)]

    assert apply(text, edits) == 'canary: {weight: 10, enabled: true}\nquoted: "10"\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("image: {}\n", "has no `image.digest`"),
        ("image:\n  digest:\n", "has no value to replace"),
        ("image:\n  digest: a\n  digest: b\n", "occurs 2 times"),
        ("x: &x {digest: a}\nimage:\n  <<: *x\n", "merge key"),
        ("x: &x a\nimage:\n  digest: *x\n", "shared through the anchor"),
        ("image:\n  digest: &x a\n", "shared through the anchor"),
        ("image:\n  digest: |\n    a\n", "not a simple scalar"),
        ("image:\n  digest: [a]\n", "not a simple scalar"),
        ("image: [\n", "invalid YAML"),
        ("image:\n  digest: !!str a\n", "carries a tag"),
        ("image:\n  digest: !vault a\n", "carries a tag"),
        ("x: &x {digest: a}\nimage: *x\n", "more than its target"),
        ("image: &x {digest: a}\ny: [*x]\n", "more than its target"),
        ("a: &a [*a]\nimage: {digest: a}\n", "levels deep"),
        ("a: " + "[" * 400 + "]" * 400 + "\nimage: {digest: a}\n", "levels deep|invalid YAML"),
    ],
)
def test_apply__refuses(text: str, problem: str) -> None:
    """A target that is missing, doubled, shared or no scalar is refused with a sentence that names it."""
    with pytest.raises(OptionsError, match=problem):
        apply(text, edit("image", "digest"))


def test_template__named_as_the_reason() -> None:
    """A file whose template expressions make it no YAML is refused with what to name instead."""
    with pytest.raises(OptionsError) as refused:
        apply("{{- if .Values.on }}\nimage: {digest: a}\n{{- end }}\n", edit("image", "digest"))

    assert "template expressions" in refused.value.advice


@pytest.mark.parametrize("before", ["a", "'", '"'])
def test_keys_within_keys__read_in_no_time(before: str) -> None:
    """Keys that are mappings with such keys, forty deep, take no more time than they have characters."""
    key = before if before == "a" else "[" + repr(before) + "]"
    for _ in range(40):
        key = "{? " + key + " : 1}"
    start = time.monotonic()

    assert apply(f"? {key}\n: 1\nimage: {{digest: a}}\n", edit("image", "digest")).endswith(f"{{digest: {NEW}}}\n")
    assert time.monotonic() - start < 5


def test_alias_bomb__refused_in_no_time() -> None:
    """A few bytes whose aliases stand for billions of values are refused without writing them out."""
    names = "abcdefghij"
    bomb = f"a: &a [{','.join('x' * 9)}]\n" + "".join(
        f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in zip(names, names[1:], strict=False)
    )
    start = time.monotonic()

    with pytest.raises(OptionsError, match="aliases written out"):
        apply(bomb + "image: {digest: a}\n", edit("image", "digest"))
    assert time.monotonic() - start < 5


def test_byte_order_mark__kept() -> None:
    """A mark at the start of the file stays, and shifts nothing."""
    assert apply("\ufeffimage: {digest: a}\n", edit("image", "digest")) == f"\ufeffimage: {{digest: {NEW}}}\n"


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
LEAVES = st.one_of(st.text(max_size=12), st.integers(), st.booleans(), st.floats(allow_nan=False), st.none())
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


def _readable(text: str) -> bool:
    """Whether the library can read what it wrote; keys such as `:0` defeat it in flow style."""
    try:
        documents(text)
    except OptionsError:
        return False
    return True


@given(st.dictionaries(KEYS, TREES, max_size=4), st.sampled_from(["block", "flow"]))
def test_apply__any_file(data: dict[str, object], style: str) -> None:
    """Whatever else a file holds, exactly one stretch of characters changes: the target's."""
    from io import StringIO

    data.pop("image", None)
    stream = StringIO()
    writer = YAML(pure=True)
    writer.default_flow_style = style == "flow"
    writer.dump({**data, "image": {"digest": OLD}}, stream)
    text = stream.getvalue()
    assume(_readable(text))

    changed = apply(text, edit("image", "digest"))

    start = text.index(OLD)
    assert changed == text[:start] + NEW + text[start + len(OLD) :]
