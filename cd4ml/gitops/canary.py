"""A canary on its way: what the suite last did to it, since when, and what a person has changed since.

Commits say what they set (`Cd4ml-Advanced: …`, `Cd4ml-Canary-Weight: …`). A change by hand is seen by its effect: the
manifest says something else than the last of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from cd4ml.gitops.history import Commit, History
from cd4ml.gitops.manifest import Manifest
from cd4ml.gitops.trailers import ADVANCED, ANALYSIS, BESIDE, CANARY_WEIGHT, IMAGE, PROMOTED, ROLLED_BACK
from cd4ml.image.reference import same_image

# What each kind of commit says that it is about; the first that a commit has decides.
_SUBJECTS = (ADVANCED, PROMOTED, ROLLED_BACK, IMAGE)


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A canary that a manifest holds.

    Attributes:
        image: by digest.
        weight: what the manifest gives it now, in percent.
        deployed: the commit that made it a canary; None if none did.
        last: the suite's last commit about the application; None if there is none.
        by_hand: what a person has changed since, for people; empty if nothing.
    """

    image: str
    weight: int
    deployed: Commit | None
    last: Commit | None
    by_hand: str = ""

    @property
    def since(self) -> int:
        """When its step began, in seconds since 1970."""
        return self.last.time if self.last else 0


def canary(manifest: Manifest, history: History) -> Canary | None:
    """Return the canary that runs, or that a person has left without traffic; None if there is none."""
    state = manifest.state
    image = f"{manifest.repository}@{state.canary}"
    ours = [commit for commit in history.commits if manifest.serves(_subject(commit)[1])]
    last = ours[0] if ours else None
    if state.canary is None or (state.weight == 0 and (state.canary == state.stable or not _set(last, image))):
        return None
    deployed = next((commit for commit in ours if same_image(commit.trailer(IMAGE), image)), None)
    return Canary(
        image=image, weight=state.weight, deployed=deployed, last=last, by_hand=_by_hand(manifest, image, last)
    )


def led_to(history: History, analysis: str) -> Commit | None:
    """Return the commit that the report of this digest led to, None if it led to none."""
    return next((commit for commit in history.commits if commit.trailer(ANALYSIS) == analysis), None)


def _subject(commit: Commit) -> tuple[str, str]:
    """Return what kind of commit it is, and the image that it is about; empty if it is about none."""
    found = ((name, commit.trailer(name) or "") for name in _SUBJECTS)
    return next(((name, image) for name, image in found if image), ("", ""))


def _set(last: Commit | None, image: str) -> bool:
    """Whether the last commit gave the image traffic as a canary; what idles without any is none."""
    kind, subject = _subject(last) if last else ("", "")
    return kind in (ADVANCED, IMAGE) and same_image(subject, image)


def _by_hand(manifest: Manifest, image: str, last: Commit | None) -> str:
    """Return what differs from what the suite's last commit set, and so was changed by a person."""
    if last is None:
        return f"no commit of cd4ml made {image} a canary"
    kind, subject = _subject(last)
    commit = f"cd4ml's last commit ({last.sha[:12]})"
    if kind in (PROMOTED, ROLLED_BACK):
        return f"the manifest has the canary {image}, after {commit} ended {subject}"
    if not same_image(subject, image):
        return f"the canary is {image}, and {commit} set {subject}"
    weight, beside = last.trailer(CANARY_WEIGHT), last.trailer(BESIDE)
    if weight != str(manifest.state.weight):
        return f"the canary's weight is {manifest.state.weight}, and {commit} set {weight or 'none'}"
    if beside and not same_image(beside, manifest.stable):
        return f"the stable image is {manifest.stable or 'unset'}, and was {beside} for {commit}"
    return ""
