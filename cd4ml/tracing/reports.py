"""What the reports of a run say, and the documents beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from cd4ml.digests import file_sha256
from cd4ml.errors import Cd4mlError
from cd4ml.evidence.reports import BUILD, SCORING, tables
from cd4ml.registry import tags
from cd4ml.report import Published
from cd4ml.report.trace import Document, Looked, Source, Topic, Verdict
from cd4ml.tracing import labels
from cd4ml.tracing.records import ALL_TABLES, Answer, Bundle, Key, Record, shown
from cd4ml.tracing.statements import Stated, read
from cd4ml.tracing.subject import Ids

if TYPE_CHECKING:
    from cd4ml.evidence.keys import PublicKey

NAME: Final = "reports"
_BUNDLES: Final = ("*.sigstore.json",)
_PLAIN: Final = ("*.intoto.json", "sbom.*.json")
_LARGEST: Final = 64 << 20


def answer(folder: Path, verdicts: Sequence[Verdict], unreadable: Mapping[str, str], key: PublicKey | None) -> Answer:
    """Return what a folder of reports says.

    Args:
        verdicts: the reports in it.
        unreadable: why others cannot be read, by name.
        key: the public key that must have signed reports and documents; None to verify nothing.
    """
    problems = [f"{folder / name}: {why}" for name, why in unreadable.items()]
    if not verdicts:
        why = "; ".join(problems) or "it holds no report of a change"
        looked = Looked.UNREACHABLE if problems else Looked.SILENT
        return Answer(source=Source(name=NAME, place=str(folder), looked=looked, message=why))
    bundles = [_document(path, key) for path in _found(folder, _BUNDLES)]
    believed = [one for one in verdicts if key is None or _is_signed(folder / one.file, bundles)]
    unsigned = [one for one in verdicts if one not in believed]
    problems += [f"{folder / one.file} is not signed, and public-key must have signed it" for one in unsigned]
    stated = [*bundles, *_documents(folder, believed, key)]
    found = [_bundle(folder, believed, stated, problems)] if believed else []
    if unsigned:  # what they are about says whom it concerns, and nothing else
        problems += filter(None, (one.problem for one in stated))
        ids, told = _anchor(unsigned)[0], f"reports in {folder} that are not signed"
        documents = [] if believed else [one.document for one in stated]
        found.append(Bundle(ids=ids, told=told, documents=documents, problems=problems, believed=False))
    return Answer(source=Source(name=NAME, place=str(folder), looked=Looked.READ), bundles=found)


def _bundle(folder: Path, verdicts: Sequence[Verdict], stated: Sequence[Stated], problems: Sequence[str]) -> Bundle:
    """Return what reports and documents say."""
    ids, image = _anchor(verdicts)
    return Bundle(
        ids=ids,
        told=f"the reports in {folder}",
        image=image,
        records=[
            *(_record(verdict) for verdict in verdicts),
            *_labels(verdicts),
            *_tables(verdicts),
            *(one.record for one in stated if one.record and not one.stray(ids)),
        ],
        verdicts=verdicts,
        documents=[one.document for one in stated],
        problems=[*problems, *_altered(folder, verdicts), *filter(None, (one.stray(ids) for one in stated))],
        notices=list(_modified(verdicts)),
    )


def _is_signed(report: Path, stated: Sequence[Stated]) -> bool:
    """Whether the key has signed a statement about a report as it is now."""
    digests = {one.report for one in stated if one.verified and not one.problem}
    return _digest(report) in digests - {None}


def _digest(path: Path) -> str | None:
    """Return the digest of a file, None if it cannot be read."""
    try:
        return file_sha256(path)
    except Cd4mlError:
        return None


def _anchor(verdicts: Sequence[Verdict]) -> tuple[Ids, str | None]:
    """Return what the run was about: what its build says, and what that leaves open."""

    def later(verdict: Verdict) -> tuple[bool, bool, bool]:
        stage = verdict.published.report.stage
        return stage != BUILD, _image(verdict.published) is None, stage != SCORING

    ordered = sorted(verdicts, key=later)
    image = next((name for one in ordered if (name := _image(one.published))), None)
    return reduce(Ids.with_more, (_ids(one.published) for one in ordered), Ids()), image


def _ids(published: Published) -> Ids:
    """Return what a report is about."""
    model, image = published.report.candidate, _image(published)
    version = f"{model.name}/{model.version}" if model and model.name and model.version else None
    return Ids(
        image=image.rpartition("@")[2] if image and "@" in image else None,
        model=model.sha256 or None if model else None,
        version=version,
        commit=published.source.git_sha,
    )


def _image(published: Published) -> str | None:
    """Return the image that a report names."""
    return published.report.outputs.get("image") or None


def _record(verdict: Verdict) -> Record:
    """Return what a report says."""
    report = verdict.published.report
    values: dict[Key, str] = {}
    for table in report.inputs:
        values[(Topic.DATA, table.path or table.name)] = f"sha256:{table.sha256}"
        if table.rows is not None:
            values[(Topic.DATA, f"{table.path or table.name}, rows")] = f"{table.rows:,}"
    if report.production:
        values[(Topic.MODEL, "compared with")] = f"sha256:{report.production.sha256}"
    if report.stage == SCORING:
        values |= {(Topic.DEPENDENCIES, f"lock of the {name}"): lock for name, lock in _locks(report.details)}
    if report.stage == BUILD and (lock := report.details.get("lock_sha256")):
        values[(Topic.DEPENDENCIES, "lock of the image")] = f"sha256:{lock}"
    return Record(by=verdict.file, ids=_ids(verdict.published), values=values)


def _labels(verdicts: Sequence[Verdict]) -> Iterator[Record]:
    """Yield what the image's labels say, as build-image gave them to it."""
    for one in verdicts:
        found = one.published.report.details.get("labels")
        if one.published.report.stage == BUILD and isinstance(found, Mapping):
            yield labels.said(found, by=f"{one.file} (labels)")


def _tables(verdicts: Sequence[Verdict]) -> Iterator[Record]:
    """Yield what the tables are together, where there are any."""
    found = tags.of_tables(tables(one.published.report for one in verdicts))
    if found:
        yield Record(by="the reports together", values={(Topic.DATA, ALL_TABLES): found})


def _locks(details: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the digests of the environments that models were scored in."""
    locks = details.get("locks")
    if isinstance(locks, Mapping):
        yield from ((str(name), f"sha256:{lock}") for name, lock in locks.items())


def _written(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Return the digests of the documents that build-image says it wrote."""
    built = (one.published.report.details for one in verdicts if one.published.report.stage == BUILD)
    found: dict[str, str] = {}
    for details in built:
        evidence = details.get("evidence")
        for files in (details.get("sbom"), evidence.get("files") if isinstance(evidence, Mapping) else None):
            found |= {str(name): str(digest) for name, digest in files.items()} if isinstance(files, Mapping) else {}
    return {name: digest for name, digest in found.items() if _inside(name)}


def _inside(name: str) -> bool:
    """Whether a path that a report names stays in the folder of reports."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and name.isprintable()


def _altered(folder: Path, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield a problem for each document that is not the one that build-image wrote."""
    for name, digest in _written(verdicts).items():
        path = folder / name
        if (found := _digest(path)) and found != digest.removeprefix("sha256:"):
            yield f"{path} is not the file that build-image wrote (its report names sha256:{digest})"


def _found(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files of some names beside the reports."""
    return sorted({path for within in ("", f"{BUILD}/") for name in patterns for path in folder.glob(within + name)})


def _documents(folder: Path, verdicts: Sequence[Verdict], key: PublicKey | None) -> Iterator[Stated]:
    """Yield the statements and bills of materials beside the reports that hold no signature themselves.

    Of those whose digest a report holds that counts, the report's signature is theirs as well.
    """
    written = {folder / name: digest.removeprefix("sha256:") for name, digest in _written(verdicts).items()}
    for path in _found(folder, _PLAIN):
        named = path in written and _digest(path) == written[path]
        yield _document(path, None if named else key)
    for path in written:
        try:
            if not path.exists():
                yield Stated(document=Document(kind="missing", place=str(path), note="build-image wrote it"))
        except OSError as error:
            document = Document(kind="unreadable", place=shown(path))
            yield Stated(document=document, problem=f"{shown(path)} cannot be read: {error.strerror}")


def _document(path: Path, key: PublicKey | None) -> Stated:
    """Return a document beside the reports."""
    try:
        if path.is_symlink() or path.stat().st_size > _LARGEST:
            raise OSError("a link, or too large")
        stated = read(path.read_bytes(), str(path), key)
    except OSError as error:
        document = Document(kind="unreadable", place=str(path))
        return Stated(document=document, problem=f"{path} cannot be read: {error.strerror or error}")
    report = path.with_name(path.name.partition(".")[0]).with_suffix(".json")
    if stated.report and report.is_file() and _digest(report) != stated.report:
        return replace(stated, record=None, problem=f"{path} states another report than {report} is now")
    return stated


def _modified(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield who saw files that were changed and not committed."""
    for one in verdicts:
        if modified := one.published.source.modified:
            yield f"{one.file} is about files that were changed and not committed: {', '.join(modified[:5])}"


def silent(folder: str, error: Cd4mlError) -> Answer:
    """Return the answer of a folder that cannot be read."""
    return Answer(source=Source(name=NAME, place=folder, looked=Looked.UNREACHABLE, message=error.message))
