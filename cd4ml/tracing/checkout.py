"""What the checkout says of a commit: whether it is there, and who wrote it."""

from __future__ import annotations

from typing import Final

from cd4ml.git import Checkout
from cd4ml.report.trace import Looked, Source, Topic
from cd4ml.tracing.records import Answer, Bundle, Record
from cd4ml.tracing.subject import Ids

NAME: Final = "checkout"


def answer(checkout: Checkout, commit: str | None) -> Answer:
    """Return what the repository around the working directory says of a commit."""
    place = str(checkout.directory)
    head = checkout.head()
    if head is None:
        why = checkout.refused() or "no repository with a commit"
        return Answer(source=Source(name=NAME, place=place, looked=Looked.NOT_ASKED, message=why))
    if commit is None:
        source = Source(name=NAME, place=place, looked=Looked.SILENT, message="no source names a commit")
        return Answer(source=source)
    found = checkout.described(commit)
    if found is None:
        shallow = " (it is shallow)" if checkout.shallow else ""
        why = f"it does not have the commit {commit[:12]}{shallow}"
        return Answer(source=Source(name=NAME, place=place, looked=Looked.SILENT, message=why))
    values = {
        (Topic.CODE, "message"): found.title,
        (Topic.CODE, "author"): found.author,
        (Topic.CODE, "time"): found.time,
        (Topic.CODE, "signature"): "signed; not verified here" if found.signed else "not signed",
        (Topic.CODE, "checked out"): "this commit" if head == commit else f"{head}, not this one",
    }
    ids = Ids(commit=commit)
    bundle = Bundle(ids=ids, told="the checkout", records=[Record(by="the checkout", ids=ids, values=values)])
    return Answer(source=Source(name=NAME, place=place, looked=Looked.READ), bundles=[bundle])
