"""What every place answers, and with how many requests if it is distant."""

from __future__ import annotations

import subprocess
import sys

import fsspec
import pytest
import servers
from forking import forked, may_fork, needs_fork
from fsspec.implementations.memory import MemoryFileSystem

from embedonce import StoreError
from embedonce.stores.drivers.faults import fault_of
from embedonce.stores.locations.location import as_location
from embedonce.stores.locations.remote_location import RemoteLocation
from embedonce.stores.places.listings import MissingPlaceError
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory

DIRECTORY = NamespaceDirectory.of("acme/e5@3", None).name
OTHER = NamespaceDirectory.of("acme/e5@4", None).name


def opened(place, directory=DIRECTORY):
    return place.location().open(directory, create=True)


def made(place, directory=DIRECTORY):
    io = as_location(place).open(directory, create=True)
    io.create()
    return io


def test_the_whole_protocol(every_place):
    io, other = (as_location(every_place).open(DIRECTORY, create=True) for _ in range(2))
    assert io.listing() == {}
    io.create()
    io.put("a", [b"abc", memoryview(b"def")])
    other.put("b", [b"x" * 100_000])
    assert io.listing() == other.listing() == {"a": 6, "b": 100_000}
    answers = io.get_ranges(["a", "b", "a", "gone", "a"], [0, 99_998, 2, 0, 5], [3, 100_000, 6, 4, 6])
    assert [bytes(each) for each in answers if not isinstance(each, Exception)] == [b"abc", b"xx", b"cdef", b"f"]
    assert isinstance(answers[3], FileNotFoundError)
    assert fault_of(answers[3]) == "gone"
    io.put("a", [b"abcdef"])
    io.delete("b")
    io.delete("b")
    other.put("c", [b""])
    assert io.listing() == {"a": 6, "c": 0}


def test_neighbours_are_not_listed(every_place):
    io = made(every_place)
    for directory in (f"{DIRECTORY}2", OTHER):
        made(every_place, directory).put("a", [b"abc"])
    if "://" in every_place:
        # A local listing names a directory below as it would name a file; the store ignores such names.
        made(every_place, f"{DIRECTORY}/below").put("a", [b"abc"])
    assert io.listing() == {}
    io.put("b", [b""])
    assert list(io.listing()) == ["b"]


def test_directories_of_namespaces_are_found(every_place):
    assert as_location(every_place).directories() == []
    for directory in (DIRECTORY, OTHER, "something-else"):
        made(every_place, directory).put("a", [b"abc"])
    assert as_location(every_place).directories() == sorted([DIRECTORY, OTHER])


def test_an_empty_directory_is_not_there_on_a_server(remote_place):
    for directory in (DIRECTORY, OTHER):
        opened(remote_place, directory).put("a", [b"abc"])
    opened(remote_place, OTHER).delete("a")
    assert remote_place.location().directories() == [DIRECTORY]


def test_a_missing_bucket_is_not_an_empty_place(remote_place):
    location = as_location(
        remote_place.url.replace(remote_place.bucket, "no-such-bucket"), remote_place.storage_options
    )
    io = location.open(DIRECTORY, create=True)
    for attempt in (io.listing, lambda: io.put("a", [b"abc"])):
        with pytest.raises(MissingPlaceError) as caught:
            attempt()
        assert location.error(caught.value, "read").fault == "missing"
    with pytest.raises(StoreError, match="does not exist") as caught:
        location.directories()
    assert caught.value.fault == "missing"


def test_a_bucket_itself_is_a_place(s3_place):
    location = as_location(f"s3://{s3_place.bucket}", s3_place.storage_options)
    io = location.open(DIRECTORY, create=True)
    assert io.listing() == {}
    io.put("a", [b"abc"])
    assert io.listing() == {"a": 3}
    assert location.directories() == [DIRECTORY]


def test_each_operation_is_one_request_on_s3(s3_place):
    io, server = opened(s3_place), s3_place.server

    def asked(call):
        server.clear()
        call()
        return dict(server.counts)

    assert asked(io.listing) == {"LIST": 1}
    assert asked(io.create) == {}
    assert asked(lambda: io.put("a", [b"x" * (49 << 20)])) == {"PUT": 1}
    assert asked(io.listing) == {"LIST": 1}
    assert asked(lambda: io.get_ranges(["a"] * 3, [0, 10, 20], [1, 11, 1 << 20])) == {"GET": 3}
    assert asked(lambda: io.get_ranges(["gone"], [0], [1])) == {"GET": 1}
    assert asked(lambda: io.delete("a")) == {"DELETE": 1}
    assert asked(io.listing) == {"LIST": 1}
    assert asked(s3_place.location().directories) == {"LIST": 3}
    io.put("a", [b"abc"])
    assert asked(s3_place.location().directories) == {"LIST": 1}


@pytest.mark.parametrize("remote_place", ["simplecache::s3"], indirect=True)
def test_whole_files_are_read_once_through_a_local_cache(remote_place, s3_server, tmp_path):
    io = opened(remote_place)
    io.put("a", [b"abcdef"])
    s3_server.clear()
    assert io.get_ranges(["a", "a"], [0, 2], [2, 4]) == [b"ab", b"cd"]
    assert io.get_ranges(["a"], [4], [6]) == [b"ef"]
    assert s3_server.counts["GET"] == 1
    (copy,) = (tmp_path / "copies").iterdir()
    copy.write_bytes(b"abc")
    assert io.get_ranges(["a", "a"], [0, 2], [2, 4]) == [b"ab", b"cd"]


def test_a_listing_cache_of_a_file_system_that_was_handed_in_hides_nothing(s3_place):
    fs = fsspec.filesystem("s3", **s3_place.storage_options)
    io = as_location((fs, f"{s3_place.bucket}/cache")).open(DIRECTORY, create=True)
    other = opened(s3_place)
    other.put("a", [b"abc"])
    fs.ls(f"{s3_place.bucket}/cache/{DIRECTORY}")
    fs.ls(f"{s3_place.bucket}/cache")
    other.put("b", [b"abc"])
    opened(s3_place, OTHER).put("a", [b"abc"])
    assert set(io.listing()) == {"a", "b"}
    assert as_location((fs, f"{s3_place.bucket}/cache")).directories() == sorted([DIRECTORY, OTHER])


@needs_fork
@may_fork
def test_a_forked_child_opens_its_own_connections(s3_place):
    io = opened(s3_place)
    io.put("a", [b"abc"])

    def use():
        assert io.listing() == {"a": 3}
        io.put("b", [b"defg"])

    assert forked(use) == 0
    assert io.listing() == {"a": 3, "b": 4}


def test_the_event_loop_is_there_before_anybody_can_fork():
    code = "import embedonce.stores.places.remote, fsspec.asyn; assert fsspec.asyn.loop[0] is not None"
    subprocess.run([sys.executable, "-c", code], check=True)


class FailingFileSystem(MemoryFileSystem):
    """A file system whose `find` is that of fsspec, and whose `ls` fails."""

    protocol = "failing"
    cachable = False
    error: Exception | None = None

    def ls(self, path, detail=True, **kwargs):
        if self.error is not None:
            raise self.error
        return super().ls(path, detail=detail, **kwargs)


def test_an_outage_of_any_file_system_is_not_an_empty_place(no_waiting):
    fs = FailingFileSystem()
    location = RemoteLocation("failing://store", file_system=(fs, "/store"))
    io = location.open(DIRECTORY, create=True)
    assert io.listing() == {}
    fs.error = OSError(5, "Input/output error")
    assert fs.find(f"/store/{DIRECTORY}") == []  # what fsspec makes of it
    with pytest.raises(OSError, match="Input/output"):
        io.listing()
    with pytest.raises(StoreError, match="failed") as caught:
        location.directories()
    assert caught.value.fault == "unavailable"


def test_a_missing_container_of_any_file_system_is_not_an_empty_place():
    class ContainerMissingError(Exception):
        error_code = "ContainerNotFound"

    fs = FailingFileSystem()
    fs.error = FileNotFoundError("/store")
    fs.error.__cause__ = ContainerMissingError()
    location = RemoteLocation("failing://store", file_system=(fs, "/store"))
    with pytest.raises(MissingPlaceError):
        location.open(DIRECTORY, create=True).listing()
    with pytest.raises(StoreError, match="does not exist"):
        location.directories()


@pytest.mark.parametrize(
    ("action", "fault", "is_repeated"),
    [
        (servers.slow_down, "busy", True),
        (servers.unavailable, "busy", True),
        (servers.server_error, "unavailable", True),
        (servers.reset, "unavailable", True),
        (servers.no_such_bucket, "missing", False),
        (servers.denied, "denied", False),
        (servers.expired_token, "denied", False),
    ],
    ids=["SlowDown", "ServiceUnavailable", "500", "reset", "NoSuchBucket", "403", "ExpiredToken"],
)
def test_a_fault_is_told_apart_and_passing_ones_are_waited_out(s3_place, no_waiting, action, fault, is_repeated):
    io, server = opened(s3_place), s3_place.server
    io.put("a", [b"abc"])
    calls = {
        "LIST": io.listing,
        "PUT": lambda: io.put("b", [b"abc"]),
        "GET": lambda: io.get_ranges(["a"], [0], [3]),
        "DELETE": lambda: io.delete("c"),
    }
    for kind, call in calls.items():
        server.fault = servers.fault(action, kinds=kind)
        server.clear()
        no_waiting.reset()
        try:
            (error,) = call()
        except Exception as raised:
            error = raised
        assert fault_of(error) == fault, kind
        assert (server.counts[kind] > 1) == is_repeated, kind
        assert no_waiting() <= 8
        if is_repeated:
            # aiohttp answers one reset by itself.
            server.fault = servers.fault(action, kinds=kind, times=4)
            call()


def test_only_the_ranges_that_failed_are_asked_for_again(s3_place, no_waiting):
    io, server = opened(s3_place), s3_place.server
    for name in "abc":
        io.put(name, [name.encode() * 3])
    server.clear()
    server.fault = servers.fault(servers.slow_down, kinds="GET", key=f"{DIRECTORY}/b", times=2)
    assert io.get_ranges(["a", "b", "c"], [0] * 3, [3] * 3) == [b"aaa", b"bbb", b"ccc"]
    assert server.counts["GET"] == 5


def test_a_body_that_breaks_off_is_asked_for_again_and_then_an_outage(s3_place, no_waiting):
    io, server = opened(s3_place), s3_place.server
    io.put("a", [b"abcdef"])
    server.fault = servers.fault(servers.truncated, kinds="GET LIST", times=1)
    assert io.get_ranges(["a"], [0], [6]) == [b"abcdef"]
    server.fault = servers.fault(servers.truncated, kinds="GET LIST")
    (answer,) = io.get_ranges(["a"], [0], [6])
    assert fault_of(answer) == "unavailable"
    with pytest.raises(Exception) as caught:
        io.listing()
    assert fault_of(caught.value) == "unavailable"


def test_a_put_that_was_applied_although_it_failed_is_one_object(s3_place, no_waiting):
    io, server = opened(s3_place), s3_place.server
    for number, action in enumerate((servers.server_error_after, servers.reset_after)):
        server.fault = servers.fault(action, kinds="PUT", times=3)
        io.put(f"a{number}", [b"abcdef"])
    assert io.listing() == {"a0": 6, "a1": 6}


def test_what_is_shorter_than_asked_is_not_an_outage(s3_place):
    io = opened(s3_place)
    io.put("a", [b"abc"])
    (answer,) = io.get_ranges(["a"], [5], [8])
    assert fault_of(answer) == "short"


def test_a_segment_that_is_gone_although_listed_is_gone(s3_place):
    io, server = opened(s3_place), s3_place.server
    io.put("a", [b"abc"])
    server.fault = servers.fault(servers.no_such_key, kinds="GET")
    (answer,) = io.get_ranges(["a"], [0], [3])
    assert isinstance(answer, FileNotFoundError)
    assert fault_of(answer) == "gone"
