"""What deploy-model can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.inputs import options as declaration
from cd4ml.inputs.options import option
from cd4ml.stages import REQUIRED

OUTPUTS: Final[dict[str, str]] = {
    "image": "The image that is deployed, by digest.",
    "commit": "The commit in the GitOps repository; empty if there was nothing to change.",
    "manifest-changed": "`true` if a commit was pushed, `false` if the manifest was as it should be.",
}


@dataclass(frozen=True, kw_only=True)
class Options(declaration.Options):
    """Options of deploy-model."""

    repository: str = option(
        "The GitOps repository: an https or ssh address, or a local folder. CD4ML_GIT_TOKEN in the environment is used "
        "for https.",
        required=True,
        example="https://github.com/OWNER/gitops.git",
    )
    branch: str = option("Branch to commit to.", default="main")
    manifest: str = option(
        "File in the repository: Helm values, a kustomization or Kubernetes manifests.",
        required=True,
        example="credit/values.yaml",
    )
    manifest_path: str | None = option(
        "Where in the manifest the image stands, if its repository stands there more than once: the key above its "
        "values, or the name of its object.",
        example="credit",
    )
    image: str | None = option("Image by digest (default: the one in build-image's report).")
    canary_weight: int = option(
        "Share of traffic in percent for the new image; a Rollout or Flagger's Canary goes by its own steps.",
        default=10,
    )
    reports: str = option("Folder of the reports of the earlier stages.", default="reports")
    required_stages: tuple[str, ...] = option("Stages whose reports must have passed.", default=REQUIRED)
    tracking_uri: str | None = option(
        "MLflow's server (default: MLFLOW_TRACKING_URI); where MLFLOW_REGISTRY_URI is set, it names the registry."
    )
    allow_code: bool = option(
        "Deploy a model that runs code of its own when it is loaded, as build-image allowed it.", default=False
    )
    redeploy: bool = option(
        "Deploy even if a newer commit's image is deployed, or this image was taken back.", default=False
    )
