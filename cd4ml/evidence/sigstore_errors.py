"""What Sigstore's client raises where one of its services cannot be had, and how that is told."""

from __future__ import annotations

from typing import Final

import requests
from sigstore.errors import Error as SigstoreError
from tuf.api.exceptions import DownloadError, RepositoryError

UNREACHABLE: Final = (SigstoreError, RepositoryError, DownloadError, requests.RequestException)
_SHOWN: Final = 300


def told(error: Exception) -> str:
    """Return an error of the library in one line."""
    return " ".join(str(error).split())[:_SHOWN] or type(error).__name__
