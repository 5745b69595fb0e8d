"""Events in a Redis Stream, read as a consumer group: what is not acknowledged is delivered again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.observe.events.lines import decoded
from cd4ml.observe.events.redis_stream import address_of
from cd4ml.worker.sources.batch import Batch, Decode, batch_of

GROUP: Final = "cd4ml-monitor"
_CONSUMER: Final = "worker"
_ENTRIES: Final = 10_000
_NOTHING: Final = "0-0"


class RedisGroup:
    """A stream; one worker is the whole group.

    Entries are acknowledged once the state holds them. Those that were counted when the worker was killed are delivered
    again, and known by their place in the stream.
    """

    def __init__(self, url: str, positions: Mapping[str, Mapping[str, Any]], decode: Decode = decoded) -> None:
        """Prepare; nothing is connected.

        Args:
            url: `redis://HOST:PORT[/DATABASE]/STREAM`, or `rediss://…`.
            positions: of an earlier worker, by the names of its sources: no password stands in a state.
            decode: what entries hold.

        Raises:
            OptionsError: the address names no stream. It is not repeated: there may be a password in it.
        """
        address = address_of(url)
        self.name, self._stream, self._client = address.name, address.stream, address.client()
        self._counted = str(positions.get(self.name, {}).get("counted", _NOTHING))
        self._decode = decode
        self._waiting: list[bytes] = []
        # What was delivered to an earlier worker comes first.
        self._again: str | None = _NOTHING

    def read(self) -> Batch | None:
        """See Source."""
        from redis.exceptions import RedisError

        try:
            entries = self._entries()
        except (RedisError, OSError) as error:
            self._again = _NOTHING
            raise UnavailableError(f"no answer from {self.name}: {type(error).__name__}") from error
        if not entries:
            return None
        self._waiting += [entry for entry, _ in entries]
        new = [(entry, fields) for entry, fields in entries if _place(entry) > _place(self._counted)]
        if new:
            self._counted = new[-1][0].decode()
        places = [f"{self.name} {entry.decode()}" for entry, _ in new]
        lines = [(fields or {}).get(b"event") or b"{}" for _, fields in new]
        return batch_of(self._decode(lines, places.__getitem__), len(lines))

    def position(self) -> Mapping[str, Any]:
        """See Source."""
        return {"counted": self._counted}

    def committed(self) -> None:
        """Acknowledge what the state holds; where Redis is away, it delivers that again, and it is known."""
        from redis.exceptions import RedisError

        try:
            if self._waiting:
                self._client.xack(self._stream, GROUP, *self._waiting)
        except (RedisError, OSError):
            self._again = _NOTHING
        self._waiting = []

    def close(self) -> None:
        """See Source."""
        self._client.close()

    def _entries(self) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """Return what was delivered before and not acknowledged, then what is new."""
        if self._again is not None:
            found = self._read(self._again)
            self._again = found[-1][0].decode() if found else None
            if found:
                return found
        return self._read(">")

    def _read(self, after: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """Return entries; a group that is not there, or went with its server, is made where the state says."""
        from redis.exceptions import ResponseError

        try:
            answer = self._client.xreadgroup(GROUP, _CONSUMER, {self._stream: after}, count=_ENTRIES)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self._client.xgroup_create(self._stream, GROUP, id=self._counted, mkstream=True)
            answer = []
        return list(answer[0][1]) if answer else []


def _place(entry: str | bytes) -> tuple[int, int]:
    """Return the place of an entry in its stream."""
    milliseconds, _, number = (entry.decode() if isinstance(entry, bytes) else entry).partition("-")
    return int(milliseconds), int(number or 0)
