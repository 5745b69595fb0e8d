"""An HTTP server with so many places: nobody can hold it open for all others."""

from __future__ import annotations

import threading
from http.server import ThreadingHTTPServer
from typing import Any, Final

_PLACES: Final = 16  # connections at a time


class PlacesServer(ThreadingHTTPServer):
    """A server that serves so many at a time, and hangs up on whoever comes beyond them."""

    daemon_threads = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Serve nobody yet."""
        self._places = threading.BoundedSemaphore(_PLACES)
        super().__init__(*arguments, **named)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve in a thread of its own, if there is a place."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()
