"""What build-image can be told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cd4ml.data.tables.dialect import TableOptions
from cd4ml.image.builders import AUTO, BUILDERS
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option
from cd4ml.inputs.runtime import RUNTIME, Runtime

EXAMPLE: Final = (
    "--model models:/credit@challenger --image ghcr.io/OWNER/credit:challenger"
    " --test-data data/test.parquet --predictions predictions.parquet"
)
OUTPUTS: Final[dict[str, str]] = {
    "image": "The pushed image by digest, name@sha256:…; empty if nothing was pushed.",
    "digest": "The pushed image's digest, sha256:…; empty if nothing was pushed.",
}


class Network(StrEnum):
    """The network that the build's commands have."""

    DEFAULT = "default"
    HOST = "host"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of build-image."""

    model: str = vocabulary.MODEL.here("It is the candidate.", required=True)
    image: str = vocabulary.IMAGE.here(
        "Its name, e.g. `ghcr.io/owner/loan-approval`; without a tag it gets one from the model's digest.",
        required=True,
    )
    push: bool = option("Push the image once every check has passed.", default=False, group=Group.IMAGE)
    test_data: str | None = vocabulary.TEST_DATA.here("They are sent to the image.")
    predictions: str | None = vocabulary.PREDICTIONS.here("The image's answers must equal it.")
    simulate: bool = option("Compare the image's predictions with the scored ones.", default=True, group=Group.IMAGE)
    positive_label: str | None = vocabulary.POSITIVE_LABEL.here("By default the greater of the model's two classes.")
    runtime: Runtime = RUNTIME.here(
        "ONNX Runtime needs a smaller image, and the converted model to be proven equal on test-data; `auto` takes it "
        "where that is proven.",
        default=Runtime.AUTO,
    )
    base_image: str = option("Base of the image; it provides Python.", default="python:3.11-slim", group=Group.IMAGE)
    system_packages: tuple[str, ...] = option(
        "Debian packages that the model's libraries need.", example="libgomp1", group=Group.IMAGE
    )
    feature_ranges: bool = option(
        "Write into the image what values of each feature test-data has, so that the gateway counts those outside: "
        "bounds rounded to two digits, and at most 50 categories of at least 5 rows each.",
        default=False,
        group=Group.IMAGE,
    )
    private_features: tuple[str, ...] = option(
        "Features of which `feature-ranges` says nothing, such as personal data and what events leave out.",
        example="postcode",
        group=Group.IMAGE,
    )
    kafka_events: bool = option(
        "Put the Kafka client into the image (5 MB), for a gateway that writes prediction events there.",
        default=False,
        group=Group.IMAGE,
    )
    engine: str = option(
        "Program that builds; `auto` takes the first that answers.",
        default=AUTO,
        choices=(AUTO, *BUILDERS),
        group=Group.IMAGE,
    )
    severity: tuple[str, ...] = option(
        "Severities that block; higher ones block as well.", default=("CRITICAL", "HIGH"), group=Group.SCAN
    )
    scanners: tuple[str, ...] = option(
        "What Trivy looks for: `vuln`, and `secret` and `license` where they are named.",
        default=("vuln", "secret", "license"),
        group=Group.SCAN,
    )
    forbidden_licenses: tuple[str, ...] = option(
        "Licences that no package may have, as SPDX names them, or Trivy's categories; `library:` before one spares "
        "the system's packages.",
        example="library:restricted",
        group=Group.SCAN,
    )
    ignore_file: str | None = option(
        "YAML file of accepted vulnerabilities, secrets and licences, each with id, reason and expires.",
        example="accepted.yaml",
        group=Group.SCAN,
    )
    ignore_unfixed: bool = option("Let vulnerabilities pass that have no fix yet.", default=False, group=Group.SCAN)
    vex: str | None = option(
        "VEX document (OpenVEX or CycloneDX, JSON): vulnerabilities that do not affect, each with its justification.",
        example="vex.json",
        group=Group.SCAN,
    )
    maximum_database_age: int = option(
        "Age in days from which Trivy's database is too old to prove anything.", default=7, group=Group.SCAN
    )
    trivy: str | None = option("Trivy's program, if it is not on PATH.", group=Group.SCAN)
    trivy_cache: str | None = option("Trivy's cache folder.", group=Group.SCAN)
    scan_offline: bool = option("Use the database in Trivy's cache and fetch nothing.", default=False, group=Group.SCAN)
    startup_seconds: float = option("How long the gateway may take to become ready.", default=120.0, group=Group.IMAGE)
    latency_rate: float = option(
        "Requests a second, of one row each, at which the image's latency is measured.", default=50.0, group=Group.IMAGE
    )
    maximum_p99_ms: float | None = option(
        "Limit on the 99th percentile of the latency, in milliseconds. The scan then comes first.",
        group=Group.IMAGE,
    )
    pod_memory: str = option(
        "Memory that a pod may have, as Kubernetes writes it; the default is the chart's.",
        default="1Gi",
        example="1536Mi",
        group=Group.IMAGE,
    )
    build_network: Network = option("Network of the build's commands.", default=Network.DEFAULT, group=Group.IMAGE)
    extra_ca: str | None = option(
        "Certificates that the build trusts as well; the image does not contain them.", group=Group.IMAGE
    )
    allow_code: bool = vocabulary.ALLOW_CODE.here(default=False)
    tracking_uri: str | None = vocabulary.TRACKING_URI.here()
