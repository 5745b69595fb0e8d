"""Incident C: pods die at start, because the gateway needs more memory than its pod may have (OOMKilled)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.diagnosis.incidents.metrics import KILLED, READY, RESTARTS, Metrics
from cd4ml.diagnosis.incidents.values import Values
from cd4ml.report import Published
from cd4ml.report.diagnosis import Answer, Change, Evidence, Incident, Judged

_MIB: Final = 1024 * 1024
# What a limit leaves above the largest memory that was measured, and to how many MiB it is rounded up.
_ROOM: Final = 1.25
_STEP: Final = 64
_KILL: Final = "SIGKILL"
_KEYS: Final = ("resources", "limits", "memory")
_THIS: Final = Incident.MEMORY


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the simulation of the image measured.

    Attributes:
        place: the report.
        ready, peak: MiB of one gateway once it was ready, and under the largest requests; None if not measured.
        startup_seconds: until it was ready.
        image: with its digest, if it was pushed.
    """

    place: str
    ready: float | None
    peak: float | None
    startup_seconds: float | None
    image: str

    def needed(self, workers: int) -> tuple[float | None, float | None]:
        """Return the MiB of so many processes, at start and at most: it was measured with one."""
        return self.ready and self.ready * workers, self.peak and self.peak * workers


def measured(place: str, published: Published) -> Measured | None:
    """Return what a report says that a simulation measured; None if it is not of such a stage, or measured nothing."""
    details = published.report.details.get("simulation")
    if not isinstance(details, Mapping):
        return None
    load = details.get("load")
    found = Measured(
        place=place,
        ready=_positive(details.get("ready_mib")),
        peak=_positive(load.get("peak_mib")) if isinstance(load, Mapping) else None,
        startup_seconds=_positive(details.get("startup_seconds")),
        image=str(published.report.outputs.get("image", "")),
    )
    return found if found.ready or found.peak else None


def _positive(value: Any) -> float | None:
    """Return a number above 0; None for everything else."""
    return float(value) if isinstance(value, int | float) and value > 0 else None


def judge(image: Measured | None, values: Values | None, metrics: Metrics | None) -> Judged:
    """Say whether pods are ended for lack of memory."""
    look = _Look(image=image, values=values, metrics=metrics)
    answer, told, lacking = look.answer()
    evidence = list(look.evidence(found=answer is Answer.FOUND))
    changes = look.changes() if answer is Answer.FOUND else look.of_a_slow_start()
    return Judged(incident=_THIS, answer=answer, told=told, evidence=evidence, changes=changes, lacking=lacking)


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What is known of memory: how much is needed, how much there is, and who was killed."""

    image: Measured | None
    values: Values | None
    metrics: Metrics | None

    @property
    def limit(self) -> float | None:
        """MiB that a pod may have."""
        return self.values.memory / _MIB if self.values else None

    @property
    def workers(self) -> int:
        """Processes that need it; at least one where only the machine knows."""
        return (self.values.workers or 1) if self.values else 1

    @property
    def needs(self) -> tuple[float | None, float | None]:
        """MiB at start and at most."""
        return self.image.needed(self.workers) if self.image else (None, None)

    @property
    def killed(self) -> Sequence[str] | None:
        """Pods that were ended for lack of memory; None where nobody says."""
        return self.metrics.killed if self.metrics else None

    @property
    def kills(self) -> float:
        """Workers that were ended by SIGKILL, as by a kernel out of memory."""
        return self.metrics.restarts.get(_KILL, 0.0) if self.metrics else 0.0

    def answer(self) -> tuple[Answer, str, Sequence[str]]:
        """Return the answer, the sentence, and what is lacking."""
        (start, most), limit = self.needs, self.limit
        if start is not None and limit is not None and start > limit:
            told = f"the gateway needs {start:,.0f} MiB once it is ready, and a pod may have {limit:,.0f} MiB"
            return Answer.FOUND, told, ()
        if self.killed:
            return Answer.FOUND, f"the last end of a container was OOMKilled: {', '.join(self.killed[:5])}", ()
        if self.kills and most is not None and limit is not None and most > limit:
            told = (
                f"workers were killed, and the gateway needs up to {most:,.0f} MiB under the largest requests, of "
                f"{limit:,.0f} MiB: it starts, and dies under load"
            )
            return Answer.FOUND, told, ()
        return self._otherwise(start, most, limit)

    def _otherwise(
        self, start: float | None, most: float | None, limit: float | None
    ) -> tuple[Answer, str, Sequence[str]]:
        """Return what to say where no memory is known to have run out."""
        lacking = list(self._lacking())
        if self.kills:
            told = f"{self.kills:,.0f} workers were killed, and nothing says that memory was the reason"
            return Answer.CANNOT_TELL, told, lacking or ["pod-selector: what kube-state-metrics says of the pods"]
        if self.killed is not None:
            return Answer.NOT_THIS, "no container was OOMKilled last", ()
        if lacking:
            return Answer.CANNOT_TELL, "the memory that is needed cannot be compared with the limit", lacking
        assert start is not None and limit is not None
        fits = f"the gateway needs {start:,.0f} MiB once it is ready, of {limit:,.0f} MiB"
        if most is not None and most > limit and not self._lives:
            told = f"{fits}, but up to {most:,.0f} MiB under the largest requests"
            return Answer.CANNOT_TELL, told, ["metrics: whether anything was killed"]
        return Answer.NOT_THIS, fits, ()

    @property
    def _lives(self) -> bool:
        """Whether metrics show gateways that are all ready."""
        return bool(self.metrics and self.metrics.ready and all(self.metrics.ready))

    def _lacking(self) -> Iterator[str]:
        """Yield what was not given, not reachable or not measured."""
        if self.values is None:
            yield "values: the limits of the pods were not given, or could not be read"
        elif self.values.workers is None:
            yield "env.WORKERS as a number: `auto` depends on the machine"
        if self.image is None:
            yield "reports: no report of the image says what memory it needs"
        elif self.image.ready is None:
            yield f"{self.image.place} does not say what memory the gateway needs once it is ready: build it again"

    def evidence(self, *, found: bool) -> Iterator[Evidence]:
        """Yield what was seen."""
        (start, most), limit = self.needs, self.limit
        if self.values and limit is not None:
            where = self.values.where(*_KEYS)
            says = f"a pod may have {limit:,.0f} MiB (resources.limits.memory: {self.values.text(*_KEYS)})"
            yield Evidence(says=says, source=where, value=limit)
        if self.image:
            each = f" with {self.workers} workers, measured with one" if self.workers > 1 else ""
            for need, when in ((start, "once it is ready"), (most, "at most, under the largest requests")):
                if need is not None:
                    against = found and bool(self.killed) and limit is not None and need <= limit
                    says = f"the gateway needs {need:,.0f} MiB {when}{each}"
                    yield Evidence(says=says, source=self.image.place, value=need, contradicts=against)
            yield from self._other_image()
        if self.metrics:
            yield from self._of_metrics(found=found)
        yield from self._slow_start()

    def _other_image(self) -> Iterator[Evidence]:
        """Yield that the image that was measured is not the one that the values name."""
        told = str(self.values.get("image", "digest") or "") if self.values else ""
        if self.values and self.image and told and self.image.image and not self.image.image.endswith(f"@{told}"):
            says = f"the values name {told[:19]}…, and the report is about {self.image.image}"
            yield Evidence(says=says, source=self.values.where("image", "digest"), contradicts=True)

    def _of_metrics(self, *, found: bool) -> Iterator[Evidence]:
        """Yield what metrics say of ends."""
        assert self.metrics
        if self.killed is not None:
            count = len(self.killed)
            says = f"containers whose last end was OOMKilled: {count}"
            yield Evidence(
                says=says, source=f"{self.metrics.place}, {KILLED}", value=count, contradicts=found and not count
            )
        says = f"workers that were ended by {_KILL}: {self.kills:,.0f}"
        yield Evidence(says=says, source=f"{self.metrics.place}, {RESTARTS}", value=self.kills)
        if ready := self.metrics.ready:
            count = sum(map(bool, ready))
            says = f"gateways that are ready: {count} of {len(ready)}"
            against = found and self._lives and not self.killed and not self.kills
            yield Evidence(says=says, source=f"{self.metrics.place}, {READY}", value=count, contradicts=against)

    def _slow_start(self) -> Iterator[Evidence]:
        """Yield that the pod takes longer to start than it may."""
        if self._too_slow and self.values and self.image and self.image.startup_seconds:
            seconds, most = self.image.startup_seconds, self.values.get("startupSeconds")
            says = f"the gateway took {seconds:,.0f} s to become ready, and is restarted after {most} s: that is no OOM"
            yield Evidence(says=says, source=self.image.place, value=seconds)

    @property
    def _too_slow(self) -> bool:
        """Whether the startup probe ends the pod before it is ready."""
        most = self.values.get("startupSeconds") if self.values else None
        took = self.image.startup_seconds if self.image else None
        return took is not None and isinstance(most, int | float) and took > most

    def changes(self) -> list[Change]:
        """Return the limit that the memory fits in."""
        start, most = self.needs
        largest = max((need for need in (start, most) if need is not None), default=None)
        now = self.values.text(*_KEYS) if self.values else None
        if largest is None or (self.limit is not None and largest <= self.limit):
            to = "twice as much, and measure again: build-image says what the image needs"
        else:
            to = f"{math.ceil(largest * _ROOM / _STEP) * _STEP}Mi"
        place = self.values.where(*_KEYS) if self.values else "the chart's values file"
        changes = [Change(place=place, key=".".join(_KEYS), now=now or "", to=to)]
        if self.values and self.workers > 1:
            where = self.values.where("env", "WORKERS")
            changes.append(Change(place=where, key="env.WORKERS", now=str(self.workers), to='"1", and more replicas'))
        return changes

    def of_a_slow_start(self) -> list[Change]:
        """Return how long a start may take, where it is too slow."""
        if not (self._too_slow and self.values and self.image and self.image.startup_seconds):
            return []
        place, now = self.values.where("startupSeconds"), self.values.text("startupSeconds") or ""
        to = str(math.ceil(2 * self.image.startup_seconds / 10) * 10)
        return [Change(place=place, key="startupSeconds", now=now, to=to)]
