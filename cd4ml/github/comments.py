"""One comment on a pull request that several jobs keep up to date.

The platform changes a comment as a whole and without a condition: of two jobs that read it at the same time, the one
that writes last takes out what the other wrote. So whoever wrote looks again after a moment: where two comments came
to be, the older one takes over what the younger one says, which goes; where the own part is missing, it is written
again. What is left is a job whose request takes longer than that moment between reading and writing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.github.client import Client, RefusedError

ACTIONS: Final = "github-actions[bot]"
_TRIES: Final = 8
_PAUSE: Final = 1.5  # seconds, and up to as many more, so that two jobs do not keep step


@dataclass(frozen=True, kw_only=True)
class Comment:
    """A comment of ours."""

    id: int
    body: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Thread:
    """The comments of one pull request.

    Attributes:
        marker: what our comments begin with.
        author: login that the token comments under. Others may write our marker; what they write is theirs.
    """

    client: Client
    number: int
    marker: str
    author: str

    def own(self) -> list[Comment]:
        """Return our comments, the oldest first."""
        found = []
        for item in self.client.pages(f"issues/{self.number}/comments"):
            with self.client.understood():
                body = item["body"] or ""
                if _login(item) == self.author.casefold() and body.startswith(self.marker):
                    found.append(_comment(item))
        return sorted(found, key=lambda comment: comment.id)

    def create(self, body: str) -> tuple[Comment, str]:
        """Post a comment, and return it with the login that it stands under."""
        made = self.client.json("POST", f"issues/{self.number}/comments", {"body": body})
        with self.client.understood():
            return _comment(made), str(made["user"]["login"])

    def update(self, comment: Comment, body: str) -> None:
        """Change a comment; one that is gone is looked for again."""
        self._unless_gone("PATCH", comment, {"body": body})

    def delete(self, comment: Comment) -> None:
        """Delete a comment of ours that is there twice."""
        self._unless_gone("DELETE", comment, None)

    def _unless_gone(self, method: str, comment: Comment, body: dict[str, str] | None) -> None:
        try:
            self.client.json(method, f"issues/comments/{comment.id}", body)
        except RefusedError as error:
            if error.status not in (404, 410):
                raise


def keep(thread: Thread, merged: Callable[[Sequence[str]], str]) -> str:
    """Bring our comment up to date, or post it, and return its address.

    Args:
        merged: makes the comment of what our comments say already; made of itself, it stays as it is.

    Raises:
        UnavailableError: the platform refuses, or other jobs keep writing over it.
    """
    for turn in range(_TRIES):
        if turn:
            time.sleep(_PAUSE * (1 + random.random()))  # noqa: S311
        found = thread.own()
        wanted = merged([comment.body for comment in found])
        if turn and len(found) == 1 and _same(found[0].body, wanted):
            return found[0].address
        if found:
            if not _same(found[0].body, wanted):
                thread.update(found[0], wanted)
            for double in found[1:]:
                thread.delete(double)
        else:
            _, author = thread.create(wanted)
            # The token speaks for another account than was thought, which may have a comment here already.
            thread = Thread(client=thread.client, number=thread.number, marker=thread.marker, author=author)
    raise UnavailableError("Other jobs keep writing over the comment.", advice="Comment from one job of each workflow.")


def _same(one: str, other: str) -> bool:
    """Whether two texts are one: the platform may end lines in another way, and strips the end."""
    return one.replace("\r\n", "\n").rstrip() == other.rstrip()


def _login(item: dict[str, Any]) -> str:
    """Return who wrote a comment; nobody, if the account is gone."""
    return str((item["user"] or {}).get("login", "")).casefold()


def _comment(item: dict[str, Any]) -> Comment:
    """Return a comment from how the platform describes it."""
    return Comment(id=int(item["id"]), body=item["body"] or "", address=str(item["html_url"]))
