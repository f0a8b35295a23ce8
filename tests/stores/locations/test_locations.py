"""Where a cache lives: what users write, and what they are told when it cannot work."""

from __future__ import annotations

import os
import sys
from pathlib import Path, PurePosixPath

import fsspec
import pytest
from covering import each_once

from embedonce import EmbeddingCache, MemoryStore, StoreError
from embedonce.stores.locations.location import LocalLocation, RemoteLocation, as_location, default_path

SECRET = "p4ssw0rd-s3cr3t"


def test_paths_in_every_form_name_the_same_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    expected = LocalLocation(tmp_path / "cache")
    for written in (
        "cache",
        "./cache",
        "./x/../cache",
        "~/cache",
        str(tmp_path / "cache"),
        str(tmp_path / "cache") + "/",
        Path("cache"),
        PurePosixPath("cache"),
        os.fsencode(tmp_path / "cache").decode(),
        f"file://{tmp_path}/cache",
        f"file:{tmp_path}/cache",
        f"local://{tmp_path}/cache",
        (fsspec.filesystem("file"), f"{tmp_path}/cache"),
        [fsspec.filesystem("file"), f"file://{tmp_path}/cache"],
    ):
        assert as_location(written) == expected, written
    assert not (tmp_path / "cache").exists()


def test_a_path_of_bytes_is_a_path(tmp_path):
    class Odd(os.PathLike):
        def __fspath__(self):
            return os.fsencode(tmp_path)

    assert as_location(Odd()) == LocalLocation(tmp_path)


def test_without_a_path_the_variable_decides_and_else_the_users_cache_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBEDONCE_STORE", str(tmp_path / "named"))
    assert as_location(None) == LocalLocation(tmp_path / "named")
    monkeypatch.setenv("EMBEDONCE_STORE", "memory://named")
    assert str(as_location(None)) == "memory://named"
    monkeypatch.setenv("EMBEDONCE_STORE", "")
    assert as_location(None) == LocalLocation(default_path(), private=True)


@pytest.mark.skipif(sys.platform == "win32", reason="permission bits do not exist")
def test_the_default_directory_is_private_and_others_follow_the_umask(tmp_path):
    LocalLocation(tmp_path / "a" / "private", private=True).check(create=True)
    assert (tmp_path / "a" / "private").stat().st_mode & 0o777 == 0o700
    before = os.umask(0o027)
    try:
        EmbeddingCache(tmp_path / "shared").embed(["a"], lambda texts: [[1.0]], namespace="n")
        location = as_location(tmp_path / "wide", {"dir_mode": 0o770, "file_mode": 0o660})
        os.umask(0)
        EmbeddingCache(tmp_path / "wide", storage_options={"dir_mode": 0o770, "file_mode": 0o660}).embed(
            ["a"], lambda texts: [[1.0]], namespace="n"
        )
    finally:
        os.umask(before)
    assert location.options["dir_mode"] == 0o770
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (tmp_path / "shared").rglob("*")}
    assert modes == {True: 0o750, False: 0o640}
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (tmp_path / "wide").rglob("*")}
    assert modes == {True: 0o770, False: 0o660}


def test_urls_and_pairs_name_the_same_place():
    fs = fsspec.filesystem("memory")
    for written in ("memory://a/b", (fs, "/a/b"), (fs, "memory://a/b")):
        location = as_location(written)
        assert isinstance(location, RemoteLocation)
        assert str(location) == "memory://a/b"
        assert str(location.open("space", create=True)) == "/a/b/space"


def test_a_upath_is_a_path():
    upath = pytest.importorskip("upath")
    assert str(as_location(upath.UPath("memory://a/b"))) == "memory://a/b"
    assert as_location(upath.UPath("/a/b")) == LocalLocation(Path("/a/b"))


def test_an_object_with_a_file_system_and_a_path_is_a_path():
    class Like:
        protocol = "memory"
        path = "/a/b"
        fs = fsspec.filesystem("memory")

    assert str(as_location(Like())) == "memory://a/b"


def test_windows_drives_are_not_urls():
    assert isinstance(as_location("C:\\cache"), LocalLocation)
    assert isinstance(as_location("C:/cache"), LocalLocation)


@pytest.mark.parametrize(
    ("store", "what"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("a\0b", "NUL"),
        (7, "int"),
        (object(), "object"),
        (("a", "b"), "file system"),
        ((1, 2, 3), "tuple"),
        ("nonsense://x", "nonsense"),
        ("nonsense::s3://x", "nonsense"),
    ],
)
def test_what_is_not_a_place_is_refused_at_once(store, what):
    with pytest.raises(StoreError, match=what):
        as_location(store)
    with pytest.raises(StoreError, match=what):
        EmbeddingCache(store)


def test_a_file_is_not_a_cache(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="directory"):
            EmbeddingCache(path)


def test_a_directory_with_other_things_in_it_is_not_a_cache(tmp_path, open_store):
    (tmp_path / "thesis.docx").write_text("x")
    with pytest.raises(StoreError, match=r"thesis\.docx.*new directory"):
        EmbeddingCache(tmp_path)
    with pytest.raises(StoreError, match="thesis"):
        open_store(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.docx"]


def test_hidden_files_and_other_things_beside_a_cache_do_no_harm(tmp_path, open_store):
    (tmp_path / ".DS_Store").write_text("x")
    open_store(tmp_path).mset([("a", b"1")])
    (tmp_path / "README.md").write_text("x")
    assert open_store(tmp_path).mget(["a"]) == [b"1"]


def test_a_directory_that_cannot_be_made_or_listed_is_an_error_with_a_remedy(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(StoreError, match="may write"):
            EmbeddingCache(tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        with pytest.raises(StoreError, match="may write"):
            EmbeddingCache(tmp_path / "cache")


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("s3://b/x", "s3fs", "s3"),
        ("gs://b/x", "gcsfs", "gcs"),
        ("abfs://b/x", "adlfs", "azure"),
        ("az://b/x", "adlfs", "azure"),
    ],
)
def test_a_missing_driver_is_named_with_its_extra(url, package, extra, monkeypatch):
    registered = sys.modules["fsspec.registry"]._registry
    monkeypatch.delitem(registered, url.partition(":")[0], raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(StoreError, match=rf'pip install "embedonce\[{extra}\]"'):
        EmbeddingCache(url)


def test_an_unknown_option_of_a_path_is_refused_by_name_only(tmp_path):
    with pytest.raises(StoreError, match=r"storage_options.*token") as caught:
        EmbeddingCache(tmp_path, storage_options={"token": SECRET})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("path", ["s3:/bucket/x", "nosuchscheme:/x"])
def test_half_a_url_is_not_a_path(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks like a URL with a slash missing is refused, and makes no directory of that name."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="neither a path nor a URL"):
        EmbeddingCache(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["read_only", "replay", "off"])
def test_reading_creates_nothing(mode: str, tmp_path: Path) -> None:
    """A mistyped path does not become an empty cache by being read."""
    cache = EmbeddingCache(tmp_path / "typo", mode=mode)  # type: ignore[arg-type]
    cache.open("n")
    assert list(tmp_path.iterdir()) == []


def test_options_beside_an_instance_are_refused() -> None:
    """They would have no effect, which a user would only find out later."""
    with pytest.raises(StoreError, match="give them to the instance"):
        as_location((fsspec.filesystem("memory"), "cache"), {"key": "secret"})


def test_a_directory_that_cannot_be_made_is_not_an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems say "not found" when asked to make a directory."""

    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError, match="cannot create"):
        EmbeddingCache(tmp_path / "cache")


@pytest.mark.parametrize("url", ["memory_odd://x/y", "simplecache::memory_odd://x/y"])
def test_schemes_may_hold_an_underscore(url, tmp_path, monkeypatch):
    from fsspec.implementations.memory import MemoryFileSystem

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "memory_odd", MemoryFileSystem)
    location = as_location(url)
    assert isinstance(location, RemoteLocation)
    assert str(location) == url
    # It is not the one whose name its own begins with.
    assert not location.is_near
    with pytest.raises(StoreError, match="no_such_hdfs"):
        EmbeddingCache("no_such_hdfs://x/y")
    with pytest.raises(StoreError, match="neither a path nor a URL"):
        EmbeddingCache("memory_odd:/x/y")
    assert list(tmp_path.iterdir()) == []


@each_once(options=[SECRET, [SECRET], [("key", SECRET)], "", 1], store=["memory://a/b", "cache"])
def test_storage_options_that_are_not_a_mapping_are_refused(store, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match=rf"storage_options must be a dict of options, got {type(options).__name__}"
    ) as caught:
        EmbeddingCache(store, storage_options=options)
    assert SECRET not in str(caught.value)


def test_a_file_system_for_event_loops_is_refused():
    from fsspec.asyn import AsyncFileSystem

    class Looping(AsyncFileSystem):
        protocol = "looping"

    fs = Looping(asynchronous=True, skip_instance_cache=True)
    with pytest.raises(StoreError, match="without asynchronous=True"):
        EmbeddingCache((fs, "a/b"))
    with pytest.raises(StoreError, match="without asynchronous=True"):
        EmbeddingCache((fsspec.filesystem("dir", path="a", fs=fs, asynchronous=True), "b"))
    as_location((Looping(skip_instance_cache=True), "a/b"))


@pytest.mark.parametrize(
    "tier",
    [
        f"s3://me:{SECRET}@foo/bar",
        Path("s3://foo/bar"),
        "arrow_hdfs://x",
        "simplecache::s3://foo",
        "file:///tmp/x",
        "local:///x",
    ],
)
def test_a_local_tier_elsewhere_is_refused(tier):
    with pytest.raises(ValueError, match="give the path of a local directory") as caught:
        EmbeddingCache("memory://a/b", local_tier=tier)
    assert SECRET not in str(caught.value)


def test_a_local_tier_on_a_windows_drive_is_a_path():
    EmbeddingCache("memory://a/b", local_tier="C:/tier")
    EmbeddingCache("memory://a/b", local_tier="C:\\tier")


@pytest.mark.parametrize(
    "option", [{"durability": "write_through"}, {"local_tier": True}, {"refresh_interval": 1.0}], ids=str
)
def test_options_of_distant_places_mean_nothing_to_other_stores(option, tmp_path):
    (name,) = option
    with pytest.raises(StoreError, match=rf"^{name}: .* paths and URLs.* byte store \(MemoryStore\); leave") as caught:
        EmbeddingCache(MemoryStore(), **option)
    assert "itself" not in str(caught.value)
    with pytest.raises(StoreError, match=rf"^{name}: .* ready \(SegmentNamespaces\); give them where it is made"):
        EmbeddingCache(EmbeddingCache(tmp_path).store, **option)
    with pytest.raises(StoreError, match="give it to the MemoryStore itself"):
        EmbeddingCache(MemoryStore(), storage_options={"key": "x"}, **option)
