"""What promote-model can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.inputs import options as declaration
from cd4ml.inputs.options import option
from cd4ml.stages import REQUIRED

OUTPUTS: Final[dict[str, str]] = {
    "image": "The stable image afterwards.",
    "commit": "The commit in the GitOps repository; empty if there was nothing to change.",
    "version": "The version that the alias points at afterwards; empty if it was not moved.",
}


@dataclass(frozen=True, kw_only=True)
class Options(declaration.Options):
    """Options of promote-model."""

    repository: str = option(
        "The GitOps repository: an https or ssh address, or a local folder. CD4ML_GIT_TOKEN in the environment is used "
        "for https.",
        required=True,
        example="https://github.com/OWNER/gitops.git",
    )
    branch: str = option("Branch to commit to.", default="main")
    manifest: str = option("File in the repository, as for deploy-model.", required=True, example="credit/values.yaml")
    manifest_path: str | None = option(
        "Where in the manifest the image stands, as for deploy-model.",
        example="credit",
    )
    image: str | None = option(
        "The image that was approved, by digest; any other canary is refused. With rollback: the image to take back."
    )
    model: str | None = option("Registered model whose alias is moved.", example="credit")
    version: str | None = option("Version to promote; its files must be the ones in the canary's image.", example="7")
    alias: str = option("Alias of the production version.", default="champion")
    tracking_uri: str | None = option(
        "MLflow's server (default: MLFLOW_TRACKING_URI); where MLFLOW_REGISTRY_URI is set, it names the registry."
    )
    reports: str | None = option("Folder of the reports that the canary was deployed on, to verify them once more.")
    required_stages: tuple[str, ...] = option("Stages whose reports must have passed, if given.", default=REQUIRED)
    rollback: bool = option("Take back: the canary if there is one, else the last promotion.", default=False)
