"""The MLflow model registry: fetching a model by version or alias, and moving an alias.

Every look-up ends within 15 seconds, whatever the server does. MLflow runs in a child process (`worker.py`).
"""

from cd4ml.registry.asking import MissingModelError
from cd4ml.registry.client import Versions, alias_version, fetch, move_alias, named, set_alias, version_exists, versions
from cd4ml.registry.looking import look
from cd4ml.registry.reference import is_registered, reference_of

__all__ = [
    "MissingModelError",
    "Versions",
    "alias_version",
    "fetch",
    "is_registered",
    "look",
    "move_alias",
    "named",
    "reference_of",
    "set_alias",
    "version_exists",
    "versions",
]
