"""What happened when, for the terminal, as Markdown and as a page, with links to the reports."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Final

_WIDTH: Final = 110
_STYLE: Final = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328 }
td { padding: .3rem .8rem; vertical-align: top; border-top: 1px solid #d1d9e0 }
td:first-child { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
"""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Something that happened.

    Attributes:
        seconds: since the beginning.
        title: what happened, in a few words.
        text: what was found, in a sentence.
        links: reports and pages that show it.
    """

    seconds: float
    title: str
    text: str
    links: Sequence[Path] = ()


class Timeline:
    """The moments of a demonstration, in their order."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin now; pages are written into the folder, and link from there."""
        self._folder, self._clock, self._begun = folder, clock, clock()
        self.moments: list[Moment] = []
        self.missing: list[str] = []

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return self._clock() - self._begun

    def add(self, title: str, text: str, *links: Path) -> None:
        """Note and print what has happened now.

        Raises:
            FileNotFoundError: a link leads nowhere.
        """
        for link in links:
            if not link.exists():
                raise FileNotFoundError(f"the timeline would link to {link}, which is not there")
        moment = Moment(seconds=self.seconds, title=title, text=text, links=links)
        self.moments.append(moment)
        print(f"[{moment.seconds:4.0f} s] {title}: {text}", flush=True)

    def lacks(self, what: str) -> None:
        """Note and print what this machine cannot show."""
        self.missing.append(what)
        print(f"[{self.seconds:4.0f} s] NOT SHOWN: {what}", flush=True)

    def text(self) -> str:
        """Return it for the terminal: a line for each moment, cut where it is long."""
        told = [(moment, shorten(moment.text, _WIDTH, placeholder=" …")) for moment in self.moments]
        wide = max((len(moment.title) for moment in self.moments), default=0) + 2
        lines = [f"{moment.seconds:6.0f} s  {moment.title:<{wide}}{text}" for moment, text in told]
        return "\n".join([*lines, *(f"not shown  {what}" for what in self.missing)])

    def markdown(self) -> str:
        """Return it as Markdown."""
        lines = ["# The closed loop", "", "| after | what | what was found | reports |", "|---:|---|---|---|"]
        for moment in self.moments:
            links = " · ".join(f"[{link.stem}]({self._seen(link)})" for link in moment.links)
            cells = (f"{moment.seconds:.0f} s", moment.title, moment.text, links)
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        lines += ["", *(f"Not shown here: {what}" for what in self.missing)]
        return "\n".join(lines).rstrip() + "\n"

    def page(self) -> str:
        """Return it as a page."""
        rows = []
        for moment in self.moments:
            links = " · ".join(
                f'<a href="{html.escape(self._seen(link))}">{html.escape(link.name)}</a>' for link in moment.links
            )
            cells = (f"{moment.seconds:.0f} s", f"<b>{html.escape(moment.title)}</b>", html.escape(moment.text), links)
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        missing = "".join(f"<p><b>Not shown here:</b> {html.escape(what)}</p>" for what in self.missing)
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>The closed loop</title>'
            f"<style>{_STYLE}</style><h1>The closed loop</h1><table>{''.join(rows)}</table>{missing}</html>\n"
        )

    def write(self) -> tuple[Path, Path]:
        """Write the page and the Markdown, and return where they are."""
        page, markdown = self._folder / "index.html", self._folder / "timeline.md"
        page.write_text(self.page(), encoding="utf-8")
        markdown.write_text(self.markdown(), encoding="utf-8")
        return page, markdown

    def _seen(self, link: Path) -> str:
        """Return a link as it is seen from the folder."""
        return link.relative_to(self._folder).as_posix()
