"""Secrets of places are used, but neither shown nor pickled."""

from __future__ import annotations

import ast
import copy
import pickle
import subprocess
import sys

import fsspec
import pytest
from forking import forked, may_fork, needs_fork

from embedonce import EmbeddingCache, StoreError
from embedonce.stores.locations.location import as_location

SECRET = "p4ssw0rd-s3cr3t"


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


@needs_fork
@may_fork
def test_a_forked_child_has_everything():
    pickled = pickle.dumps(as_location("memory://a/b", OPTIONS))

    def look():
        assert pickle.loads(pickled)._options == OPTIONS

    assert forked(look) == 0


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


def test_a_query_in_a_url_is_not_shown() -> None:
    """It may be a signature."""
    assert "secret" not in str(as_location("memory://cache?sig=secret"))
