"""SLSA provenance: from what an image was built, how, and by whom. https://slsa.dev/spec/v1.1/provenance"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import cd4ml
from cd4ml.evidence.statement import Resource, Statement
from cd4ml.published import page
from cd4ml.wording import Redactor, redacted

PREDICATE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = page("stages/build-image.md#the-provenance")
_LOCAL: Final = page("stages/build-image.md#a-build-outside-a-workflow")


def provenance(
    image: Resource,
    *,
    parameters: Mapping[str, Any],
    dependencies: Sequence[Resource],
    byproducts: Sequence[Resource] = (),
    environ: Mapping[str, str],
) -> Statement:
    """Return the provenance of an image. It holds no time, so that the same run gives the same statement.

    Args:
        parameters: what the caller asked for; neither credentials of addresses nor secrets of the run are repeated.
        dependencies: what went into the build, by digest.
        byproducts: what was made on the way and is part of the image, by digest.
        environ: of the run; of it, only what says which workflow this is.
    """
    asked = {name: value for name, value in parameters.items() if value not in (None, "", (), [])}
    definition = {
        "buildType": BUILD_TYPE,
        "externalParameters": asked,
        "resolvedDependencies": [item.document for item in dependencies],
    }
    builder = {"id": _builder(environ), "version": {"cd4ml": cd4ml.__version__}}
    run: dict[str, Any] = {"builder": builder}
    if byproducts:
        run["byproducts"] = [item.document for item in byproducts]
    if invocation := _invocation(environ):
        run["metadata"] = {"invocationId": invocation}
    return Statement(
        subjects=(image,),
        predicate_type=PREDICATE,
        predicate=Redactor.of(environ).everywhere({"buildDefinition": definition, "runDetails": run}),
    )


def source(address: str | None, commit: str | None, environ: Mapping[str, str], *, modified: bool) -> Resource | None:
    """Return the commit that the build ran on, None if there is none.

    Args:
        address: of the repository that the commit is in, where git knows one.
        modified: whether tracked files differ from the commit.
    """
    if not commit:
        return None
    repository = _repository(environ) or redacted(address or "")
    uri = repository if not repository or repository.startswith("git+") else f"git+{repository}"
    annotations = {"modified": True} if modified else {}
    return Resource(name="source", uri=uri, digest={"gitCommit": commit}, annotations=annotations)


def _builder(environ: Mapping[str, str]) -> str:
    """Return who built: the workflow, as GitHub's own provenance names it, or a machine of somebody's."""
    workflow = environ.get("GITHUB_WORKFLOW_REF")
    if environ.get("GITHUB_ACTIONS") != "true" or not workflow:
        return _LOCAL
    return f"{_server(environ)}/{workflow}"


def _invocation(environ: Mapping[str, str]) -> str | None:
    """Return the run's address, None outside a workflow."""
    repository, run = _repository(environ), environ.get("GITHUB_RUN_ID")
    if not repository or not run:
        return None
    return f"{repository}/actions/runs/{run}/attempts/{environ.get('GITHUB_RUN_ATTEMPT') or '1'}"


def _repository(environ: Mapping[str, str]) -> str | None:
    """Return the address of the workflow's repository, None outside a workflow."""
    name = environ.get("GITHUB_REPOSITORY")
    return f"{_server(environ)}/{name}" if environ.get("GITHUB_ACTIONS") == "true" and name else None


def _server(environ: Mapping[str, str]) -> str:
    """Return the platform's address."""
    return environ.get("GITHUB_SERVER_URL") or "https://github.com"
