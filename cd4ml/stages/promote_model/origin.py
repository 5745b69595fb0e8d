"""The registry after a promotion: its alias, and what is written on the version of where that comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cd4ml.context import Context
from cd4ml.evidence.reports import BUILD, tables
from cd4ml.gitops.history import Commit
from cd4ml.gitops.trailers import SOURCE
from cd4ml.registry import move_alias, tags
from cd4ml.report import ModelIdentity, Report
from cd4ml.stages.promote_model.options import Options


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a promoted image comes from.

    Attributes:
        deployed: the commit that deployed it, None if none is known.
        reports: those that were verified, and count.
    """

    deployed: Commit | None = None
    reports: Sequence[Report] = ()


def point_alias(version: str | None, options: Options, context: Context) -> None:
    """Point the alias at the version, if there is one and it is not there already."""
    if options.registered_model is None or not version:
        return
    name, alias, uri = options.registered_model, options.alias, options.tracking_uri
    move_alias(name, alias, version, tracking_uri=uri, environ=context.environ)


def record_origin(
    image: str, origin: Origin, identity: ModelIdentity | None, options: Options, context: Context
) -> tags.Tagged:
    """Write on a promoted version what is known of it; on a roll-back, or without a version, nothing.

    Args:
        identity: the version's own files, which are the ones in the image.
    """
    if identity is None or not options.registered_model or not options.version:
        return tags.Tagged()
    deployed, reports = origin.deployed, origin.reports
    known = {
        tags.MODEL: f"sha256:{identity.sha256}",
        tags.IMAGE: image,
        tags.COMMIT: (deployed.trailer(SOURCE) if deployed else None) or "",
        tags.DATA: tags.of_tables(tables(reports)),
        tags.LOCK: _lock(reports),
    }
    return tags.tag(
        options.registered_model, options.version, known, tracking_uri=options.tracking_uri, environ=context.environ
    )


def _lock(reports: Sequence[Report]) -> str:
    """Return the digest of the requirements that the image was built with."""
    found = next((one.details.get("lock_sha256") for one in reports if one.stage == BUILD), None)
    return f"sha256:{found}" if found else ""
