"""The other workers, without which none of them is ready."""

from __future__ import annotations

from cd4ml.serving.telemetry.metrics.board import Board


class Others:
    """Part of what a worker needs to be ready; see `pages.Part`."""

    def __init__(self, board: Board, worker: int) -> None:
        self._pages = [page for page in board.pages() if page.worker != worker]

    def ready(self) -> str | None:
        """Return why the gateway is not ready though this worker is, None if all are."""
        return next((f"worker {page.worker} is not ready" for page in self._pages if not page.ready), None)
