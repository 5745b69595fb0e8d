"""The Dockerfile and its build context: rendered from values that were checked, made from files that are listed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cd4ml.errors import OptionsError
from cd4ml.image import reference
from cd4ml.image.contents import Contents
from cd4ml.image.layers import TIME, Layer, without_installers
from cd4ml.image.layout import ENTRYPOINT, PORT, USER, VENV, environment

# The gateway and the light modules that it imports.
CODE: Final = ("__init__.py", "errors.py", "digests.py", "model_files/*.py", "feature_store/*.py", "serving/**/*.py")
_PACKAGE: Final = Path(__file__).resolve().parent.parent
_DEBIAN_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]{1,100}")


def checked(base: str, system_packages: Sequence[str]) -> reference.Reference:
    """Return the base of the Dockerfile, read.

    Raises:
        OptionsError: a value does not follow its grammar.
    """
    odd = [name for name in system_packages if not _DEBIAN_PACKAGE.fullmatch(name)]
    if odd:
        raise OptionsError([f"system-packages: {name[:100]!r} is not the name of a Debian package" for name in odd])
    return reference.parse(base, "base-image")


def render(base: str, system_packages: Sequence[str] = ()) -> str:
    """Return the Dockerfile's text.

    Args:
        base: image that has Python 3.11 or later as `python3`, with pip and venv; best by digest.
        system_packages: Debian packages that the model's libraries need (`libgomp1` for LightGBM).

    Raises:
        OptionsError: a value does not follow its grammar.
    """
    from jinja2 import Environment, StrictUndefined

    parsed = checked(base, system_packages)
    # The values stand in a Dockerfile, not in HTML: escaping would corrupt them, and their grammar keeps them harmless.
    templates = Environment(  # nosec
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    template = templates.from_string(Path(__file__).with_name("Dockerfile.j2").read_text(encoding="utf-8"))
    return template.render(
        base=str(parsed),
        system_packages=list(system_packages),
        port=PORT,
        venv=VENV,
        environment=environment(),
        time=TIME,
        user=USER,
        entrypoint=list(ENTRYPOINT),
    )


@dataclass(frozen=True, kw_only=True)
class Service:
    """What `service.json` in the image says; the gateway reads it.

    Attributes:
        sha256: digest of the MLflow model.
        runtime: `onnx` or `native`.
        onnx_sha256: digest of the model's folder in the image where that is not the MLflow model itself.
    """

    name: str
    version: str | None
    sha256: str
    positive_label: str | None
    allow_code: bool = False
    runtime: str = "native"
    onnx_sha256: str | None = None


def write_context(
    folder: Path,
    *,
    dockerfile: str,
    requirements: str,
    model: Path,
    service: Service,
    base: Contents,
    more: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write the build context: Dockerfile, locked requirements, and the layers with the gateway's code and the model.

    Args:
        model: the folder that becomes the model's in the image.
        base: what is in the base.
        more: texts of files beside service.json, by name.

    Raises:
        OptionsError: the model holds a file that would be lost with the image's layers.
    """
    _refuse_whiteouts(model)
    (folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
    shutil.copyfile(Path(__file__).with_name("slim.py"), folder / "slim.py")
    without_installers(folder / "removed.tar", base.installers, base.folders)
    gateway = Layer(folder / "gateway.tar")
    gateway.folder("app")
    for source in sorted(path for pattern in CODE for path in _PACKAGE.glob(pattern)):
        inside = Path("app/cd4ml") / source.relative_to(_PACKAGE)
        for above in reversed(inside.parents[:-1]):
            gateway.folder(above.as_posix())
        gateway.file(inside.as_posix(), source)
    gateway.close()
    weights = Layer(folder / "weights.tar")
    weights.folder("app")
    weights.tree("app/model", model)
    # It names the model, so that it belongs to the layer that changes with it.
    weights.text("app/service.json", json.dumps(service.__dict__, indent=2, sort_keys=True) + "\n")
    for name, text in more.items():
        weights.text(f"app/{name}", text)
    weights.close()


def _refuse_whiteouts(model: Path) -> None:
    """Refuse names that mean a deletion in an image's layer: the image would differ wherever it is pulled.

    https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
    """
    odd = sorted(path.relative_to(model).as_posix() for path in model.rglob(".wh.*"))
    if odd:
        raise OptionsError(
            f"model: a file whose name begins with `.wh.` deletes others when the image is unpacked: {odd[0]!r}",
            advice="Rename it and save the model again.",
        )
