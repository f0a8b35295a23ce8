"""Where a cache lives: what users write, and what they are told when it cannot work."""

from __future__ import annotations

import ast
import copy
import os
import pickle
import subprocess
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


def _all_that_is_shown(thing) -> str:
    return repr(thing) + str(thing) + f"{thing}" + repr(copy.copy(thing)) + repr([thing])


OPTIONS = {
    "key": SECRET,
    "nested": {"token": SECRET, "deeper": [{"password": SECRET}]},
    "connection_string": f"AccountName=mine;AccountKey={SECRET}",
    "live": object(),
    "endpoint_url": "http://host:9000/path@v2",
}


def secret_places():
    """Every kind of place that holds a secret."""
    inner = fsspec.filesystem("memory", token=SECRET)
    return {
        "options": as_location("memory://a/b", OPTIONS),
        "password": as_location(f"memory://me:{SECRET}@host/b"),
        "signature": as_location(f"memory://a/b?sig={SECRET}"),
        "chain": as_location("dir::memory://a/b", {"memory": {"password": SECRET}}),
        "pair": as_location((inner, "a/b")),
        "wrapped pair": as_location((fsspec.filesystem("dir", path="a", fs=inner), "b")),
    }


@pytest.mark.parametrize("kind", secret_places())
def test_secrets_are_never_shown_or_pickled(kind):
    location = secret_places()[kind]
    for thing in (location, pickle.loads(pickle.dumps(location)), copy.deepcopy(location)):
        assert SECRET not in _all_that_is_shown(thing)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert SECRET.encode() not in pickle.dumps(thing, protocol)
    made = location.error(OSError(f"cannot open with {SECRET!r} at x"), "read")
    assert SECRET not in str(made) + repr(made.__cause__)
    assert "cannot open with '…' at x" in str(made)
    assert location.scrub("an error on host:9000") == "an error on host:9000"


@pytest.mark.parametrize("kind", secret_places())
def test_a_copy_in_the_same_process_has_everything(kind):
    location = secret_places()[kind]
    for copied in (pickle.loads(pickle.dumps(location)), copy.copy(location), copy.deepcopy(location)):
        assert copied == location
        assert copied._content() == location._content()
        again = pickle.loads(pickle.dumps(copied))
        assert again._content() == location._content()
        copied.check(create=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork does not exist")
def test_a_forked_child_has_everything():
    location = as_location("memory://a/b", OPTIONS)
    pickled = pickle.dumps(location)
    child = os.fork()
    if child == 0:
        os._exit(0 if pickle.loads(pickled)._options == OPTIONS else 1)
    assert os.waitpid(child, 0)[1] == 0


_ELSEWHERE = """
import pickle, sys
location = pickle.loads(bytes.fromhex(sys.argv[1]))
print(location._options, location, location.error(PermissionError("no such key"), "read"), sep="\\n")
again = pickle.loads(pickle.dumps(location))
print(again == location, again.error(PermissionError("x"), "read"), again.error(TimeoutError("x"), "read"), sep="\\n")
"""


def test_another_process_opens_it_without_secrets_and_says_so():
    options = {**OPTIONS, "anon": False, "use_ssl": True}
    pickled = pickle.dumps(as_location("memory://a/b", options)).hex()
    run = subprocess.run([sys.executable, "-c", _ELSEWHERE, pickled], capture_output=True, text=True, check=True)
    left, shown, denied, is_equal, again, timeout = run.stdout.splitlines()
    assert ast.literal_eval(left) == {
        "nested": {"deeper": [{}]}, "endpoint_url": "http://host:9000/path@v2", "anon": False, "use_ssl": True,
    }  # fmt: skip
    assert shown == "memory://a/b"
    assert "credentials are not pickled" in denied
    assert is_equal == "True"
    assert "credentials are not pickled" in again
    assert "credentials are not pickled" not in timeout


def test_another_process_that_cannot_even_open_it_says_why(monkeypatch):
    pickled = pickle.dumps(as_location("memory://a/b", OPTIONS))
    monkeypatch.setattr("embedonce.secrets._KEPT", {})
    location = pickle.loads(pickled)

    def fail(*arguments, **options):
        raise ValueError("no account key")

    monkeypatch.setattr("fsspec.core.url_to_fs", fail)
    with pytest.raises(StoreError, match=r"credentials are not pickled.*in this process"):
        location.open("n", create=True)


def test_a_pair_is_made_again_elsewhere_without_its_secrets(monkeypatch):
    fs = fsspec.filesystem("dir", path="a", fs=fsspec.filesystem("memory", token=SECRET, colour="red"))
    pickled = pickle.dumps(as_location((fs, "b")))
    monkeypatch.setattr("embedonce.secrets._KEPT", {})
    made, path = pickle.loads(pickled)._connect()
    assert (type(made), made.path, path) == (type(fs), fs.path, "b")
    assert made.fs.storage_options == {"colour": "red"}


def test_a_place_without_secrets_is_the_same_everywhere(monkeypatch):
    location = as_location("memory://a/b?version=1", {"anon": True, "token": "anon", "timeouts": (1, 2.5)})
    pickled = pickle.dumps(location)
    monkeypatch.setattr("embedonce.secrets._KEPT", {})
    assert pickle.loads(pickled) == location
    assert "not pickled" not in str(pickle.loads(pickled).error(PermissionError("x"), "read"))


def test_a_file_of_credentials_is_not_a_secret(tmp_path, monkeypatch):
    (tmp_path / "key.json").write_text("{}")
    location = as_location("memory://a/b", {"token": str(tmp_path / "key.json")})
    pickled = pickle.dumps(location)
    monkeypatch.setattr("embedonce.secrets._KEPT", {})
    assert pickle.loads(pickled) == location


def test_a_user_in_a_url_is_kept_as_azure_writes_containers_there():
    location = as_location("memory://container@account.dfs.core.windows.net/x")
    assert str(location) == "memory://container@account.dfs.core.windows.net/x"
    assert pickle.loads(pickle.dumps(location)) == location


def test_places_with_different_secrets_differ():
    assert as_location("memory://a/b", OPTIONS) == as_location("memory://a/b", OPTIONS)
    assert as_location("memory://a/b", OPTIONS) != as_location("memory://a/b", {**OPTIONS, "key": "other"})
    fs = fsspec.filesystem("memory", token=SECRET)
    assert as_location((fs, "a/b")) == as_location((fs, "/a/b"))
    assert as_location((fs, "a/b")) != as_location((fsspec.filesystem("memory"), "a/b"))


def test_caches_hold_no_secrets_in_pickles():
    cache = EmbeddingCache("memory://a/b", storage_options=OPTIONS)
    for thing in (cache, cache.store, pickle.loads(pickle.dumps(cache))):
        assert SECRET not in _all_that_is_shown(thing)
        assert SECRET.encode() not in pickle.dumps(thing)


@pytest.mark.parametrize(
    "url",
    [f"ftp://me:{SECRET}@nowhere.invalid/x", f"ftp://me:p@{SECRET}@nowhere.invalid/x", f"no-such://me:{SECRET}@host/x"],
)
def test_passwords_in_urls_are_never_shown(url, monkeypatch):
    import socket
    import traceback

    def unreachable(*arguments, **options):
        raise OSError(url)

    monkeypatch.setattr(socket, "create_connection", unreachable)
    with pytest.raises(StoreError) as caught:
        as_location(url)
    assert SECRET not in "".join(traceback.format_exception(caught.value, chain=False))
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_a_fault_of_a_file_system_does_not_show_its_options(monkeypatch):
    def fail(*arguments, **options):
        raise ValueError(options)

    monkeypatch.setattr("fsspec.core.url_to_fs", fail)
    with pytest.raises(StoreError, match="storage_options") as caught:
        as_location("memory://x", {"key": SECRET})
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


def test_a_query_in_a_url_is_not_shown() -> None:
    """It may be a signature."""
    assert "secret" not in str(as_location("memory://cache?sig=secret"))


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
    with pytest.raises(StoreError, match=rf"must be a dict of options, got {type(options).__name__}") as caught:
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
