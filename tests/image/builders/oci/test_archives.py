"""Layers of strangers: what lies over what, and that nothing is written outside the folder."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from cd4ml.errors import UnavailableError
from cd4ml.image.builders.oci import archives
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
            if "\0" in name:
                member.pax_headers = {"path": name}
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


@pytest.mark.parametrize("kind", ["pax", "name"])
def test_a_header_beyond_all_measure_is_refused(tmp_path: Path, kind: str) -> None:
    """Records and names are read into memory: those that no image needs are refused by their size alone."""
    long = "x" * (1 << 21)
    member = tarfile.TarInfo(long if kind == "name" else "a")
    member.pax_headers = {"comment": long} if kind == "pax" else {}
    path = tmp_path / "layer"
    form = tarfile.PAX_FORMAT if kind == "pax" else tarfile.GNU_FORMAT
    with tarfile.open(path, "w", format=form) as archive:
        archive.addfile(tarfile.TarInfo("first"))
        archive.addfile(member)
    with pytest.raises(UnavailableError, match="a header of 2,09"):
        Tree([LayerFile(path=path, media_type="x.tar")])


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


def test_marks_hide_what_lower_layers_have_alone(tmp_path: Path) -> None:
    """A mark after its layer's own files, in their folder or above it, leaves them; what is older goes."""
    layers = [
        layer(tmp_path, "a/", "a/old", "a/b/old", "c/old", "d/old", ("e", "a")),
        layer(tmp_path, "a/b/new", "a/new", "a/.wh..wh..opq", "c/new", ".wh.c", ".wh.d", "e", ".wh.e", packed=False),
    ]
    root, tree = unpacked(tmp_path, *layers), Tree(layers)
    left = sorted(f"/{path.relative_to(root)}" for path in root.rglob("*"))
    assert left == ["/a", "/a/b", "/a/b/new", "/a/new", "/c", "/c/new", "/e"]
    assert [tree.names(path) for path in ("/", "/a", "/a/b", "/c")] == [["a", "c", "e"], ["b", "new"], ["new"], ["new"]]


@pytest.mark.parametrize("mark", [".wh.", ".wh..", ".wh..."])
def test_a_mark_deletes_in_its_folder_alone(tmp_path: Path, mark: str) -> None:
    """A mark that names its folder itself, or the one above, which may be this machine's, is refused."""
    (tmp_path / "beside").write_text("x")
    layers = [layer(tmp_path, "a/b", mark, packed=False)]
    with pytest.raises(UnavailableError, match="deletes what is not in its folder"):
        Tree(layers)
    with pytest.raises(UnavailableError, match="deletes what is not in its folder"):
        unpacked(tmp_path, *layers)
    assert (tmp_path / "beside").exists() and (tmp_path / "root" / "a" / "b").exists()


@pytest.mark.parametrize("name", ["a/" * 1500 + "x", "a\0b"])
def test_paths_that_no_file_system_takes_are_refused(tmp_path: Path, name: str) -> None:
    """Neither 1,500 folders in one another nor a null byte in a name end in a crash."""
    layers = [layer(tmp_path, name)]
    with pytest.raises(UnavailableError):
        Tree(layers)
    with pytest.raises(UnavailableError):
        unpacked(tmp_path, *layers)


def test_links_do_not_lead_too_deep(tmp_path: Path) -> None:
    """Links that lead on from the deepest folder make no tree that nothing can remove."""
    deep = "a/" * 150
    layers = [layer(tmp_path, deep, ("b", deep), "b/" + deep)]
    with pytest.raises(UnavailableError, match="too deep"):
        unpacked(tmp_path, *layers)


def test_more_than_an_image_has_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a layer unpacks to is bounded, all layers together, and so is what is read of one that compresses well."""
    monkeypatch.setattr(archives, "_MOST_BYTES", 30_000)
    several = [layer(tmp_path, *(f"{number}{'x' * 90}" for number in range(9))) for _ in range(40)]
    with pytest.raises(UnavailableError, match="more content than 30,000 bytes"):
        unpacked(tmp_path, *several)
    (tmp_path / "zeros").write_bytes(gzip.compress(b"\0" * 100_000))
    with pytest.raises(UnavailableError, match="more content than 30,000 bytes"):
        Tree([LayerFile(path=tmp_path / "zeros", media_type="x.tar+gzip")])


def test_a_layer_has_the_content_that_its_configuration_names(tmp_path: Path) -> None:
    """The digest of what is in a layer is held to, to the last byte, however the layer is packed."""
    one = layer(tmp_path, "a")
    digest = "sha256:" + hashlib.sha256(gzip.decompress(one.path.read_bytes())).hexdigest()
    assert Tree([replace(one, diff_id=digest)]).read("/a") == b"a"
    (tmp_path / "more").write_bytes(gzip.compress(gzip.decompress(one.path.read_bytes()) + b"\0"))
    for wrong in (replace(one, diff_id="sha256:" + "0" * 64), replace(one, path=tmp_path / "more", diff_id=digest)):
        with pytest.raises(UnavailableError, match="is not what its configuration names"):
            Tree([wrong])


@pytest.mark.parametrize(
    "names", [["../evil"], ["a/../../evil"], [("a", "=../../etc/passwd")], [("a", "b"), ("b", "a"), "a/x"]]
)
def test_odd_paths_are_refused(tmp_path: Path, names: list[str | tuple[str, str]]) -> None:
    """A path that leads upwards, a hard link to one, and links in a circle end the run."""
    with pytest.raises(UnavailableError):
        unpacked(tmp_path, layer(tmp_path, *names))
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "data", [b"", b"not a layer", gzip.compress(b"neither", mtime=0), gzip.compress(b"", mtime=0)[:10] + b"\xff" * 99]
)
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
