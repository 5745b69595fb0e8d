"""Pull requests in the GitOps repository that ask for a change: one at a time for each application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from cd4ml.github.client import Client, RefusedError

# In the text of a request that the suite itself closed; any other that was closed unmerged, somebody declined.
SUPERSEDED: Final = "<!-- cd4ml: superseded -->"
_GONE: Final = (404, 422)


@dataclass(frozen=True, kw_only=True)
class Pull:
    """A pull request of the suite."""

    number: int
    address: str
    branch: str
    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Pulls:
    """The pull requests that ask for changes of one application.

    Attributes:
        base: the branch that they go to.
        prefix: what the names of their branches begin with.
    """

    client: Client
    base: str
    prefix: str

    def open(self) -> list[Pull]:
        """Return the open ones, the oldest first."""
        found = []
        for item in self.client.pages("pulls", state="open", base=self.base):
            with self.client.understood():
                if self._is_own(item):
                    found.append(_pull(item))
        return sorted(found, key=lambda pull: pull.number)

    def declined(self, branch: str) -> Pull | None:
        """Return the last request of a branch, if somebody closed it without a merge."""
        owner = self.client.repository.partition("/")[0]
        last: tuple[int, Any] = (0, None)
        for item in self.client.pages("pulls", state="all", base=self.base, head=f"{owner}:{branch}"):
            with self.client.understood():
                if self._is_own(item):
                    last = max(last, (int(item["number"]), item), key=lambda one: one[0])
        _, item = last
        if item is None:
            return None
        with self.client.understood():
            ended = item["state"] == "closed" and item.get("merged_at") is None
            return _pull(item) if ended and not _superseded(item["body"] or "") else None

    def bring(self, known: Pull | None, branch: str, title: str, body: str) -> Pull:
        """Open a request, or bring the one that is open up to date."""
        said = {"title": title, "body": body}
        if known is None:
            made = self.client.json("POST", "pulls", {**said, "head": branch, "base": self.base})
        elif (known.title, _plain(known.body)) == (title, _plain(body)):
            return known
        else:
            made = self.client.json("PATCH", f"pulls/{known.number}", said)
        with self.client.understood():
            return _pull(made)

    def close(self, pull: Pull, why: str) -> None:
        """Close a request that another one replaces, and delete its branch."""
        said = {"state": "closed", "body": f"{why}\n{SUPERSEDED}\n\n{pull.body}"}
        self.client.json("PATCH", f"pulls/{pull.number}", said)
        try:
            self.client.json("DELETE", f"git/refs/heads/{quote(pull.branch)}")
        except RefusedError as error:
            if error.status not in _GONE:
                raise

    def _is_own(self, item: Mapping[str, Any]) -> bool:
        """Whether a request is for this application, and from this repository: a fork can use any name."""
        head = item["head"]
        source = (head.get("repo") or {}).get("full_name") or ""
        same = source.casefold() == self.client.repository.casefold()
        return same and str(head["ref"]).startswith(self.prefix)


def _superseded(body: str) -> bool:
    """Whether the suite closed a request: `close` writes so in the second line; what follows quotes others."""
    return body.splitlines()[1:2] == [SUPERSEDED]


def _pull(item: Mapping[str, Any]) -> Pull:
    """Return a request as the platform describes it."""
    return Pull(
        number=int(item["number"]),
        address=str(item["html_url"]),
        branch=str(item["head"]["ref"]),
        title=str(item["title"]),
        body=item["body"] or "",
    )


def _plain(text: str) -> str:
    """Return a text as it compares: the platform may end lines in another way, and strips the end."""
    return text.replace("\r\n", "\n").rstrip()
