"""The last step: what promote-model finds out before a canary becomes production, for the version that was deployed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cd4ml.context import Context
from cd4ml.errors import OptionsError
from cd4ml.gitops.canary import Canary
from cd4ml.gitops.trailers import BASELINE, PREVIOUS_VERSION, VERSION
from cd4ml.registry import alias_version
from cd4ml.report import Check, ModelIdentity
from cd4ml.stages.advance_rollout.options import Options
from cd4ml.stages.promote_model.evidence import production, same_model
from cd4ml.stages.promote_model.options import Options as PromoteOptions


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What is known of a canary that is to become production.

    Attributes:
        version: that the alias is to point at; empty if no alias is moved.
        previous: that it points at now; empty if at none.
    """

    image: str
    version: str
    previous: str
    identity: ModelIdentity | None
    checks: Sequence[Check]

    @property
    def trailers(self) -> dict[str, str]:
        """What the promoting commit says about the versions, for a roll-back."""
        return {VERSION: self.version, PREVIOUS_VERSION: self.previous}


def promotion(canary: Canary, options: Options, context: Context) -> Promotion:
    """Find out whether the canary may become production, as promote-model does.

    Raises:
        OptionsError: its version is not known, so that the alias could not be moved.
        UnavailableError: the registry does not answer.
    """
    name, version = options.registered_model, ""
    if name:
        version = (canary.deployed.trailer(BASELINE[2]) if canary.deployed else None) or ""
        if not version:
            raise OptionsError(
                f"which version of {name} the canary is, the commit that deployed it does not say",
                advice="Promote it with promote-model and its version.",
            )
    asked = PromoteOptions(
        repository=options.repository,
        manifest=options.manifest,
        registered_model=name,
        version=version or None,
        alias=options.alias,
        tracking_uri=options.tracking_uri,
    )
    checks, identity, previous = [production(canary.deployed, asked, context)], None, None
    if name:
        identity, check = same_model(canary.image, canary.deployed, asked, context)
        checks.append(check)
        uri = options.tracking_uri
        previous = alias_version(name, options.alias, tracking_uri=uri, environ=context.environ)
    return Promotion(image=canary.image, version=version, previous=previous or "", identity=identity, checks=checks)
