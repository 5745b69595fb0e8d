"""The files that are proposed: where they go, what they hold, how they are shown, and what to do after them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cd4ml.errors import Cd4mlError, OptionsError
from cd4ml.project import ignores, workflow
from cd4ml.project.findings import Project
from cd4ml.project.sections import configuration, configured
from cd4ml.project.sections.validate_data import SCHEMA
from cd4ml.published import page
from cd4ml.reading import text_file

CONFIG: Final = "cd4ml.yaml"
_IGNORES: Final = ".gitignore"


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the files go, relative to the working directory where they lie in it."""

    config: Path
    schema: Path
    workflow: Path
    ignores: Path
    force: bool


def places(top: Path, actions: str, *, force: bool) -> Places:
    """Return where the files go, before anything that takes time.

    Args:
        top: the repository's own folder, where workflows lie.

    Raises:
        OptionsError: a file is there already, its folder leads out of the repository, or a workflow could not safely
            hold the name of this folder or of the actions.
    """
    here, root = Path.cwd().resolve(), top.resolve()
    directory = here.relative_to(root).as_posix() if here.is_relative_to(root) else "."
    workflow.check(actions, directory)
    found = root / workflow.path(directory)
    flow = found.relative_to(here) if found.is_relative_to(here) else found
    where = Places(config=Path(CONFIG), schema=Path(SCHEMA), workflow=flow, ignores=Path(_IGNORES), force=force)
    written = (where.config, where.schema, where.workflow)
    outside = [str(path) for path in written if not (here / path).parent.resolve().is_relative_to(root)]
    if outside:
        raise OptionsError(f"{', '.join(outside)}: a link leads out of the repository; nothing was written")
    there = [str(path) for path in written if os.path.lexists(path)]
    if there and not force:
        one = "exists already and is" if len(there) == 1 else "exist already and are"
        raise OptionsError(
            f"{', '.join(there)} {one} not overwritten; nothing was written", advice="Use --force to replace."
        )
    return where


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files.

    Attributes:
        texts: what each holds.
        over: those that may be replaced.
        added: the lines that .gitignore gets.
        stages: those that are configured.
    """

    texts: Mapping[Path, str]
    over: frozenset[Path]
    added: str
    stages: Sequence[str]
    notes: Sequence[str] = ()

    @classmethod
    def of(cls, project: Project, where: Places, actions: str, *, schema: str | None) -> Files:
        """Return the files of a project.

        Raises:
            OptionsError: there is nothing that a stage could look at.
        """
        stages = configured(project)
        if not stages:
            raise OptionsError(
                "there is nothing to check here: no Python file and no table", advice=" ".join(project.notes)
            )
        texts = {where.config: configuration(project)}
        if schema:
            texts[where.schema] = schema
        texts[where.workflow] = workflow.workflow(project, actions)
        over = {where.config, where.schema, where.workflow} if where.force else set()
        before, notes = _ignored(where.ignores)
        added = "" if before is None else ignores.added(project, before)
        if added:
            texts[where.ignores] = f"{before}{added}"
            over.add(where.ignores)
        return cls(texts=texts, over=frozenset(over), added=added, stages=stages, notes=notes)

    @property
    def names(self) -> list[Path]:
        """The files, in the order in which they are shown."""
        return list(self.texts)

    def shown(self, *, whole: bool) -> list[str]:
        """Return what will be written, as a difference to what is there.

        Args:
            whole: whether all files are shown line by line, and not the configuration alone.
        """
        lines = [""]
        for path, text in self.texts.items():
            ignored = path.name == _IGNORES
            fresh = self.added if ignored else text
            count = len(fresh.strip().splitlines())
            lines.append(f"{'Add to' if ignored else 'New file'} {path} ({count} lines)")
            if whole or ignored or path.name == CONFIG:
                lines += [f"+ {line}".rstrip() for line in fresh.strip().splitlines()]
                lines.append("")
        return lines

    def next_steps(self, project: Project, *, code: int | None) -> list[str]:
        """Return what is left to a person.

        Args:
            code: with which the gates ended; None if they did not run.
        """
        return ["", "What is left to do:", *(f"  {n}. {step}" for n, step in enumerate(self._steps(project, code), 1))]

    def _steps(self, project: Project, code: int | None) -> Iterator[str]:
        """Yield what is left to a person."""
        names = [str(path) for path in self.texts if path.name in (CONFIG, SCHEMA)]
        yield f"Review {' and '.join(names)}: the comments say where each value comes from."
        if code is None:
            yield "Run the gates: cd4ml run"
        elif code:
            yield "Fix what is not green above: each line says how. Then run the gates again: cd4ml run"
        yield from (*project.notes, *self.notes)
        flow = next((text for path, text in self.texts.items() if path.suffix == ".yml"), "")
        if " OWNER/" in flow:
            yield "In the workflow, write the account that you take cd4ml from in place of OWNER (or use --actions)."
        if project.registered:
            local = " It must be one that the runner reaches." if project.registry.local else ""
            yield f"Set the repository variable MLFLOW_TRACKING_URI (Settings, Variables).{local}"
        if not project.judged:
            yield f"Give the gates a model or its predictions to judge: {page('training.md')}"
        yield "Commit the files and open a pull request."


def _ignored(path: Path) -> tuple[str | None, list[str]]:
    """Return what .gitignore holds; None if it may not be edited, and why."""
    if path.is_symlink():
        return None, [f"{path} is a link, which is not followed: add reports/ to it."]
    try:
        return text_file(path), []
    except FileNotFoundError:
        return "", []
    except Cd4mlError as error:
        return None, [f"{path} was left as it is ({error.message}): add reports/ to it."]
