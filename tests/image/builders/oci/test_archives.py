"""Layers of strangers: what lies over what, and that nothing is written outside the folder."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.oci.archives import LayerFile, Tree, unpack


def layer(folder: Path, *entries: str | tuple[str, str], packed: bool = True) -> LayerFile:
    """Write a layer: `name/` is a folder, `name` a file that holds its name, and pairs are links and hard links."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for entry in entries:
            name, target = (entry, "") if isinstance(entry, str) else entry
            member = tarfile.TarInfo(name.rstrip("/"))
            content = b"" if target or name.endswith("/") else name.encode()
            member.size = len(content)
            member.mode, member.uid, member.gid = 0o750, 7, 8
            if name.endswith("/"):
                member.type = tarfile.DIRTYPE
            elif target.startswith("="):
                member.type, member.linkname = tarfile.LNKTYPE, target[1:]
            elif target:
                member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member, io.BytesIO(content))
    path = folder / f"layer{len(list(folder.glob('layer*')))}"
    path.write_bytes(gzip.compress(data.getvalue()) if packed else data.getvalue())
    return LayerFile(path=path, media_type="x.tar+gzip" if packed else "x.tar")


def unpacked(folder: Path, *layers: LayerFile) -> Path:
    """Unpack layers into a folder of their own."""
    root = folder / "root"
    root.mkdir()
    unpack(layers, root)
    return root


def test_later_layers_replace_and_delete(tmp_path: Path) -> None:
    """A file replaces a folder, marks delete a file and empty a folder; the tree knows of it as the folder does."""
    layers = [
        layer(tmp_path, "./a/", "a/one", "a/two", "b/", "b/old", "c/x"),
        layer(tmp_path, "a/.wh.one", "b/.wh..wh..opq", "b/new", "c", packed=False),
    ]
    root, tree = unpacked(tmp_path, *layers), Tree(layers)
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == ["a", "a/two", "b", "b/new", "c"]
    assert (tree.names("/"), tree.names("/a"), tree.names("/b"), tree.names("/c")) == (
        ["a", "b", "c"],
        ["two"],
        ["new"],
        [],
    )
    entry = tree.entry("/a")
    assert entry is not None and (entry.mode, entry.uid, entry.gid) == (0o750, 7, 8)
    assert tree.read("/b/new") == (root / "b/new").read_bytes() == b"b/new"


def test_links_are_followed_within_the_image(tmp_path: Path) -> None:
    """`/lib` that leads to `usr/lib` is written through; hard links are files; circles and dead ends lead nowhere."""
    layers = [
        layer(tmp_path, "usr/lib/", ("lib", "usr/lib"), ("abs", "/usr"), ("loop", "loop"), ("dead", "nowhere")),
        layer(tmp_path, "lib/libc.so", "abs/lib/more", ("usr/same", "=lib/libc.so")),
    ]
    root, tree = unpacked(tmp_path, *layers), Tree(layers)
    assert (root / "usr/lib/libc.so").read_text() == (root / "usr/same").read_text() == "lib/libc.so"
    assert (root / "usr/lib/more").exists()
    assert tree.real("/abs/lib/../lib") == "/usr/lib" and tree.real("/loop") is tree.real("/dead") is None


@pytest.mark.parametrize("link", ["/tmp", "../../../../../../tmp", "/"])
def test_links_do_not_lead_out(tmp_path: Path, link: str) -> None:
    """A link to the machine's own folders means the image's folder of that name."""
    name = f"cd4ml-test-{tmp_path.name}"
    root = unpacked(tmp_path, layer(tmp_path, ("out", link), f"out/{name}"))
    assert not Path("/tmp", name).exists() and not Path("/", name).exists()
    assert [path.name for path in root.rglob(name)] == [name]


@pytest.mark.parametrize(
    "names", [["../evil"], ["a/../../evil"], [("a", "=../../etc/passwd")], [("a", "b"), ("b", "a"), "a/x"]]
)
def test_odd_paths_are_refused(tmp_path: Path, names: list[str | tuple[str, str]]) -> None:
    """A path that leads upwards, a hard link to one, and links in a circle end the run."""
    with pytest.raises(UnavailableError):
        unpacked(tmp_path, layer(tmp_path, *names))
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("data", [b"", b"not a layer", gzip.compress(b"neither", mtime=0)])
def test_what_is_no_layer_is_named(tmp_path: Path, data: bytes) -> None:
    """A blob that holds no archive is the registry's fault, and no crash."""
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(UnavailableError, match="A layer of the image cannot be read"):
        unpacked(tmp_path, LayerFile(path=tmp_path / "x", media_type="x.tar+gzip"))


def test_a_layer_that_is_packed_by_zstandard_is_read(tmp_path: Path) -> None:
    """Newer builders pack layers by zstd, which Python 3.11 does not know by itself."""
    import pyarrow

    plain = layer(tmp_path, "a", packed=False)
    with pyarrow.output_stream(str(tmp_path / "z"), compression="zstd") as target:
        target.write(plain.path.read_bytes())
    assert Tree([LayerFile(path=tmp_path / "z", media_type="x.tar+zstd")]).names("/") == ["a"]
