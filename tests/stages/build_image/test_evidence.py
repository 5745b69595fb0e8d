"""What proves where a pushed image comes from: written, signed, attached to it, and verified as a stranger would."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cd4ml.context import Context
from cd4ml.digests import file_sha256, folder_sha256
from cd4ml.evidence.basis import Basis
from cd4ml.evidence.dsse import verified_bundle
from cd4ml.evidence.keys import read_private_key, read_public_key
from cd4ml.evidence.key_signer import KeySigner
from cd4ml.evidence.result import claim
from cd4ml.evidence.statement import Resource, Statement, read_statement
from cd4ml.image.base import Base
from cd4ml.image.builders.docker import Docker
from cd4ml.image.contents import Contents
from cd4ml.image.reference import parse
from cd4ml.image.referrers import attached, content
from cd4ml.image.registry_api.repository import Repository
from cd4ml.image.sbom import Sbom
from cd4ml.report import Check, ModelIdentity, Source, Status
from cd4ml.stages.build_image.base import BaseImage
from cd4ml.stages.build_image.build import Built
from cd4ml.stages.build_image.documents import forget
from cd4ml.stages.build_image.evidence import DOCUMENTS, Facts, give_evidence
from cd4ml.stages.build_image.inputs import Inputs
from cd4ml.stages.build_image.model import Candidate
from cd4ml.stages.build_image.options import Options
from cd4ml.stages.build_image.push import Pushed
from cd4ml.stages.build_image.sbom import Materials
from tests.conftest import ROOT, Run
from tests.containers import Lab
from tests.evidence.keys import Pair, key_of, pem
from tests.image.conftest import Project
from tests.image.registries import registry
from tests.image.test_referrers import image
from tests.stages.build_image.test_build_image import copy

Build = Callable[..., Run]
PAGE = ROOT / "docs" / "stages" / "build-image.md"
BASIS = Basis(
    source=Source(git_sha="e" * 40, modified=["train.py"]),
    repository="https://github.example/OWNER/loans",
    config=Resource(name="config", uri="cd4ml.yaml", digest={"sha256": "f" * 64}),
)
PROVENANCE = "https://slsa.dev/provenance/v1"


def statements(run: Run, keys: Pair) -> dict[str, Statement]:
    """Return what is attached to a pushed image and signed by a key, by the type of its predicate."""
    public = read_public_key(keys.public.read_bytes(), name="key")
    place = Repository(parse(run.report["outputs"]["image"], "image"), {})
    digests = attached(place, run.report["outputs"]["digest"])
    assert sorted(digests) == sorted(run.report["details"]["evidence"]["attached"].values())
    found = [verified_bundle(content(place, digest), public) for digest in digests]
    return {statement.predicate_type: statement for statement in found}


def test_a_pushed_image_is_proven(build: Build, lab: Lab, project: Project, tmp_path: Path) -> None:
    """Signature, provenance, verdict and both bills of materials are about the pushed digest, signed and attached."""
    keys = _keys_of_the_page(tmp_path)
    run = build(project, "--image", f"{lab.registry}/loans:proven", "--push", "--signing-key", str(keys.private))
    assert run.code == 0, run.stdout + run.stderr
    found, model = statements(run, keys), folder_sha256(project.folder / "model")
    signature = found.pop("https://model_signing/signature/v1.0")
    sha256 = run.report["outputs"]["digest"].removeprefix("sha256:")
    assert len(found) == 5 and all(statement.about(sha256) for statement in found.values())
    assert signature.predicate["resources"] and run.report["details"]["evidence"]["signer"].startswith("key ")
    _is_provenance(found[PROVENANCE].predicate, run, model)
    verdict = found["https://in-toto.io/attestation/test-result/v0.1"].predicate
    assert verdict["result"] == "PASSED" and "predictions-match" in verdict["passedTests"]
    cyclonedx, spdx = found["https://cyclonedx.org/bom"].predicate, found["https://spdx.dev/Document"].predicate
    _names_everything(cyclonedx, spdx, model, run)
    for path, digest in {**run.report["details"]["evidence"]["files"], **run.report["details"]["sbom"]}.items():
        assert file_sha256(project.folder / "reports" / path) == digest
    _models_signature_verifies(project, keys)


def _keys_of_the_page(folder: Path) -> Pair:
    """Make keys by the commands that the page shows."""
    for line in PAGE.read_text().splitlines():
        if line.startswith("openssl "):
            subprocess.run(line.split(), check=True, capture_output=True, cwd=folder)
    return Pair(private=folder / "key.pem", public=folder / "key.pub")


def _is_provenance(predicate: Any, run: Run, model: str) -> None:
    """Hold the provenance to what the report says went in."""
    definition = predicate["buildDefinition"]
    digests = {item["name"]: item["digest"] for item in definition["resolvedDependencies"]}
    assert digests["model"] == {"sha256": model}
    assert digests["base"] == {"sha256": run.report["details"]["base"]["digest"].removeprefix("sha256:")}
    assert len(digests["requirements.txt"]["sha256"]) == 64
    assert definition["buildType"].startswith("https://") and predicate["runDetails"]["builder"]["id"]


def _names_everything(cyclonedx: Any, spdx: Any, model: str, run: Run) -> None:
    """Both documents name the model by digest, the base, the libraries and the system's packages."""
    parts = {item["name"]: item for item in cyclonedx["components"]}
    assert {"fastapi", "uvicorn", "debian"} <= parts.keys() and not cyclonedx.get("vulnerabilities")
    assert parts["model"]["type"] == "machine-learning-model" and parts["model"]["hashes"][0]["content"] == model
    assert ("model.onnx" in parts) is ("scikit-learn" not in parts)  # what is served in the model's place
    base = run.report["details"]["base"]
    assert parts[base["reference"]]["version"] == base["digest"]
    packages = {item["name"]: item for item in spdx["packages"]}
    assert packages["model"]["checksums"] == [{"algorithm": "SHA256", "checksumValue": model}]
    assert {"fastapi", "uvicorn", base["reference"]} <= packages.keys()


def _models_signature_verifies(project: Project, keys: Pair) -> None:
    """The page's command for the model signing specification's own tool accepts the bundle beside the report."""
    [line] = [line for line in PAGE.read_text().splitlines() if line.startswith("python -m model_signing ")]
    command = [sys.executable, *line.replace("key.pub", str(keys.public)).split()[1:]]
    assert subprocess.run(command, capture_output=True, check=False, cwd=project.folder).returncode == 0


def _facts(project: Project, place: Repository, digest: str) -> tuple[Inputs, Facts]:
    """Return what is known after a push: as a run has it, with a bill of materials of nothing."""
    model, folder = project.folder / "model", project.folder
    candidate = Candidate(identity=ModelIdentity(uri="model", sha256=folder_sha256(model)), folder=model)
    name = parse(f"{place.host}/{place.path}", "image")
    passed = Check(id="predictions-match", status=Status.PASSED, message="m")
    base = Base(reference=name, wanted="python", digest=f"sha256:{'b' * 64}", id="i", labels={})
    sbom = Sbom(cyclonedx=b"{}", spdx=b"{}", packages=frozenset())
    facts = Facts(
        candidate=candidate,
        base=BaseImage(resolved=base, contents=Contents(python="3.11", installers=(), folders={})),
        built=Built(reference=name, dockerfile="", engine="docker", check=passed, lock="a==1\n"),
        materials=Materials(sbom=sbom, check=passed, files={}),
        pushed=Pushed(image=name.by_digest(digest), digest=digest),
        checks=(passed,),
        tables=(),
    )
    inputs = Inputs(
        options=Options(model="model", image=str(name), push=True, system_packages=()),
        context=Context(directory=folder, reports=folder / "reports", basis=BASIS),
        image=name,
        severities=(),
        ignores=(),
        memory=1 << 30,
        builder=Docker(program="docker", environ={}),  # nothing is built here
        trivy="trivy",
        scratch=folder,
        signer=KeySigner(key=read_private_key(pem(key_of("ecdsa")), None, name="key")),
    )
    return inputs, facts


def test_evidence_that_cannot_be_attached_never_passes(tmp_path: Path, project: Project) -> None:
    """A registry that takes the image and not its evidence leaves an error that says so, and the image's name."""
    with registry(tmp_path / "registry") as host:
        place, digest = image(host, tmp_path, "loans")
        taken = place.manifest("v1")
        place.put(taken.data, taken.media_type, digest.replace(":", "-"))
        inputs, facts = _facts(copy(project, tmp_path / "project"), place, digest)
        found = give_evidence(inputs, facts)
    assert [(check.id, check.status, check.reason) for check in found.checks] == [
        ("evidence-attached", Status.ERROR, "unavailable")
    ]
    assert not found.good and facts.pushed.image in found.checks[0].message and not found.part.outputs


@pytest.mark.parametrize("signed", [True, False])
def test_evidence_that_cannot_be_stated_keeps_the_pushed_name(tmp_path: Path, project: Project, signed: bool) -> None:
    """A model's folder that cannot be listed any more is an error of the evidence; the run goes on to its report."""
    with registry(tmp_path / "registry") as host:
        place, digest = image(host, tmp_path, "loans")
        inputs, facts = _facts(copy(project, tmp_path / "project"), place, digest)
        (facts.candidate.folder / "away").symlink_to("/etc/hostname")
        found = give_evidence(inputs if signed else dataclasses.replace(inputs, signer=None), facts)
    (check,) = found.checks
    assert check.status is Status.ERROR and facts.pushed.image in check.message and not found.files


def test_provenance_names_every_option_and_the_converted_model(tmp_path: Path, project: Project) -> None:
    """Options that weaken a check are listed, and the ONNX model has its digest."""
    with registry(tmp_path / "registry") as host:
        place, digest = image(host, tmp_path, "loans")
        inputs, facts = _facts(copy(project, tmp_path / "project"), place, digest)
        weak: dict[str, Any] = {
            "simulate": False,
            "severity": ("CRITICAL",),
            "ignore_file": "accepted.yaml",
            "ignore_unfixed": True,
            "allow_code": True,
            "kafka_events": True,
            "pod_memory": "2Gi",
            "extra_ca": "ca.pem",
        }
        options = dataclasses.replace(inputs.options, **weak)
        inputs = dataclasses.replace(inputs, options=options, signer=None)
        give_evidence(inputs, dataclasses.replace(facts, onnx="c" * 64))
    document = (inputs.context.reports / "build-image" / "provenance.intoto.json").read_bytes()
    predicate = read_statement(document).predicate
    asked = predicate["buildDefinition"]["externalParameters"]
    weak["severity"] = ["CRITICAL"]
    assert {name: asked[name.replace("_", "-")] for name in weak} == weak and asked["engine"] == "docker"
    assert predicate["runDetails"]["byproducts"] == [{"name": "onnx", "digest": {"sha256": "c" * 64}}]


def test_nobody_signs__statements_stay_beside_the_report(tmp_path: Path, project: Project) -> None:
    """Without a signer provenance and verdict are written, nothing is attached, and an earlier run's are removed."""
    with registry(tmp_path / "registry") as host:
        place, digest = image(host, tmp_path, "loans")
        inputs, facts = _facts(copy(project, tmp_path / "project"), place, digest)
        # A stage before it has signed its report; what another file of such a name is, does not matter.
        assert inputs.signer is not None
        statement = Statement(
            subjects=(Resource(name="x", digest={"sha256": "a" * 64}),), predicate_type="t", predicate={}
        )
        inputs.context.reports.mkdir(exist_ok=True)
        (inputs.context.reports / "check-code.sigstore.json").write_bytes(inputs.signer.sign(statement))
        (inputs.context.reports / "validate-data.sigstore.json").write_text("{}")
        signed = give_evidence(inputs, facts)
        assert signed.good and len(signed.attached) == len(attached(place, digest)) == 7
        assert "check-code" in signed.attached and "verdicts of check-code are" in signed.checks[0].message
        forget(inputs, DOCUMENTS)
        found = give_evidence(dataclasses.replace(inputs, signer=None), facts)
    assert found.signer is None and not found.checks and not found.attached
    folder = inputs.context.reports / "build-image"
    assert {path.name for path in folder.iterdir()} == {"provenance.intoto.json", "test-result.intoto.json"}
    _rests_on_the_basis(folder, digest.removeprefix("sha256:"))


def _rests_on_the_basis(folder: Path, sha256: str) -> None:
    """Both statements name commit, changes, repository and configuration as they were before anything was built."""
    built = read_statement((folder / "provenance.intoto.json").read_bytes())
    said = claim(read_statement((folder / "test-result.intoto.json").read_bytes()))
    resolved = {item["name"]: item for item in built.predicate["buildDefinition"]["resolvedDependencies"]}
    assert built.about(sha256) and sha256 in said.subjects and said.config == "f" * 64
    assert said.published.source == BASIS.source
    assert resolved["source"]["uri"] == f"git+{BASIS.repository}" and resolved["source"]["annotations"]["modified"]
