"""The cache of predictions: rows are looked up, what is missing is asked of the model once, and written back later."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from cd4ml.serving.cache import Ask
from cd4ml.serving.cache.client import Client
from cd4ml.serving.cache.keys import Keys
from cd4ml.serving.cache.values import Row, Seal, Unusable
from cd4ml.serving.cache.writes import Writes
from cd4ml.serving.exchange import Answers, Batch
from cd4ml.serving.refused import Refused
from cd4ml.serving.runtimes import Runtime
from cd4ml.serving.stores.lookups import Lookups

# A row, and whether it came from Redis; None if whoever promised it has failed.
Promise = asyncio.Future[tuple[Row, bool] | None]
_CLOSING: float = 1.0


class PredictionCache:
    """Answers rows from Redis where it can, and from the model where not.

    Attributes:
        counts: rows by what became of them: `hit`, `miss`, `shared` (with a request that was asking already),
            `ignored-<reason>`, `bypassed-<reason>`, `unanswered`, `written`, `not-written-<reason>`.
    """

    def __init__(
        self,
        client: Client,
        *,
        model_sha256: str,
        secret: bytes | None,
        seconds: int,
        budget: float,
        slow: float,
        required: bool,
    ) -> None:
        """Prepare; nothing is connected.

        Args:
            secret: see Seal.
            seconds: how long a value is kept.
            budget: how many seconds a request may wait for Redis.
            slow: how many seconds an answer of Redis may take before it counts against it.
            required: whether the gateway is ready only while Redis answers.
        """
        self.counts: Counter[str] = Counter()
        self.lookups = Lookups(client, name="the cache", budget=budget, slow=slow, counts=self.counts)
        self._writes = Writes(client, seconds=seconds, counts=self.counts)
        self._client, self._required = client, required
        self._model_sha256, self._secret, self._seconds = model_sha256, secret, seconds
        self._promises: dict[bytes, Promise] = {}
        self._keys: Keys
        self._seal: Seal

    def know(self, runtime: Runtime) -> None:
        """Take what keys and values depend on from the model, before the first row is asked for."""
        self._keys = Keys(
            model_sha256=self._model_sha256,
            runtime=runtime.name,
            columns=runtime.columns,
            tensors=runtime.tensors,
            labels=(*runtime.classes, runtime.positive_label),
        )
        self._seal = Seal(secret=self._secret, seconds=self._seconds, classes=runtime.classes)

    async def start(self) -> None:
        """Begin to look for Redis."""
        self.lookups.start(watch=self._required)

    async def close(self) -> None:
        """Write what waits for it, for at most a second, and leave."""
        await self._writes.close(_CLOSING)
        await self.lookups.close()
        await self._client.close()

    def ready(self) -> str | None:
        """Return why the gateway is not ready, if the cache is required."""
        if self._required and not self.lookups.usable:
            return f"the cache is not usable: {self.lookups.breaker.reason}"
        return None

    async def answers(self, batch: Batch, ask: Ask, *, probabilities: bool = False) -> tuple[Answers, int]:
        """Return the answers to all rows, and how many of them came from the cache."""
        keys = self._keys.of(batch, probabilities=probabilities)
        own, others = self._promised(keys)
        try:
            found = await self._look_up(own)
            asked = [at for at, key in enumerate(keys) if key is None or (key in own and key not in found)]
            fresh = await self._ask(batch, _first(asked, keys), ask)
            self._keep(keys, fresh, own)
        finally:
            for key, promise in own.items():
                del self._promises[key]
                if not promise.done():
                    promise.set_result(None)
        for waited, promise in others.items():
            if (given := await promise) is not None:
                self.counts["shared"] += 1
                found[waited] = given
        rows = {at: (row, False) for at, row in fresh.items()}
        found = {name: rows[at] for at in fresh if (name := keys[at]) is not None} | found
        rows |= {at: found[key] for at, key in enumerate(keys) if key is not None and key in found}
        # What another request promised and could not give.
        late = [at for at in range(batch.rows) if at not in rows]
        rows |= {at: (row, False) for at, row in (await self._ask(batch, late, ask)).items()}
        return _together([rows[at] for at in range(batch.rows)])

    def _promised(self, keys: Iterable[bytes | None]) -> tuple[dict[bytes, Promise], dict[bytes, Promise]]:
        """Return a promise for each key: those that this request gives, and those that others have given already."""
        own: dict[bytes, Promise] = {}
        others: dict[bytes, Promise] = {}
        for key in keys:
            if key is None or key in own:
                continue
            promise = self._promises.get(key)
            if promise is not None:
                others[key] = promise
            else:
                own[key] = self._promises[key] = asyncio.get_running_loop().create_future()
        return own, others

    async def _look_up(self, own: dict[bytes, Promise]) -> dict[bytes, tuple[Row, bool]]:
        """Return the rows that Redis knows, and keep their promises."""
        found: dict[bytes, tuple[Row, bool]] = {}
        keys = list(own)
        values = await self.lookups.get(keys) if keys else None
        for key, sealed in zip(keys, values or [], strict=False):
            if sealed is None:
                self.counts["miss"] += 1
                continue
            try:
                found[key] = (self._seal.open(key, sealed), True)
            except Unusable as reason:
                self.counts[f"ignored-{reason}"] += 1
                continue
            self.counts["hit"] += 1
            own[key].set_result(found[key])
        return found

    async def _ask(self, batch: Batch, rows: list[int], ask: Ask) -> dict[int, Row]:
        """Ask the model for some rows of a batch."""
        if not rows:
            return {}
        if len(rows) < batch.rows:
            columns = {name: [values[at] for at in rows] for name, values in batch.columns.items()}
            try:
                part = await ask(Batch(columns=columns, rows=len(rows)))
            except Refused:
                pass  # it names rows by their places in the part: the whole batch gives the right ones
            else:
                return dict(zip(rows, _rows(part), strict=True))
        return dict(enumerate(_rows(await ask(batch))))

    def _keep(self, keys: list[bytes | None], fresh: dict[int, Row], own: dict[bytes, Promise]) -> None:
        """Keep the promises that the model's answers fulfil, and have the answers written."""
        for at, row in fresh.items():
            key = keys[at]
            if key is None or key not in own or own[key].done():
                continue
            own[key].set_result((row, False))
            if self.lookups.usable and (sealed := self._seal.close(key, row)) is not None:
                self._writes.put(key, sealed)


def _first(rows: list[int], keys: list[bytes | None]) -> list[int]:
    """Return the rows without those whose key stands in an earlier one."""
    places = {keys[at] or at: at for at in reversed(rows)}
    return sorted(places.values())


def _rows(answers: Answers) -> list[Row]:
    """Return the answers by row."""
    nothing = [None] * len(answers.y_pred)
    scores, shares = answers.y_score or nothing, answers.probabilities or nothing
    return [Row(*row) for row in zip(answers.y_pred, scores, shares, strict=True)]


def _together(rows: list[tuple[Row, bool]]) -> tuple[Answers, int]:
    """Return rows as answers, and how many came from the cache."""
    scores = [row.y_score for row, _ in rows]
    shares = [row.probabilities for row, _ in rows]
    answers = Answers(
        y_pred=[row.y_pred for row, _ in rows],
        y_score=None if None in scores else scores,  # type: ignore[arg-type]
        probabilities=None if None in shares else shares,  # type: ignore[arg-type]
        cached=[cached for _, cached in rows],
    )
    return answers, sum(cached for _, cached in rows)
