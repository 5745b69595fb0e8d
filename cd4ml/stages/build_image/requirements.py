"""What the gateway in the image needs beside what asks the model."""

from __future__ import annotations

from typing import Final

# What the gateway needs; on the native road the lock chooses versions that fit the model's own packages as well.
_GATEWAY: Final = (
    "uvicorn>=0.54,<1",
    "httptools>=0.6.3,<1",
    "uvloop>=0.21,<1",
    "msgspec>=0.18,<1",
    "prometheus-client>=0.21,<1",
    "redis[hiredis]>=7,<9",
)
_KAFKA: Final = ("confluent-kafka>=2.10,<3",)


def gateway_requirements(*, kafka_events: bool) -> tuple[str, ...]:
    """Return what the gateway needs, whatever asks the model."""
    return (*_GATEWAY, *(_KAFKA if kafka_events else ()))
