"""Defaults of the drivers: beneath what users say, and such that an outage is over soon."""

from __future__ import annotations

import threading

import fsspec
import pytest
import servers
from fsspec.config import conf

from embedonce.stores.drivers import drivers
from embedonce.stores.drivers import retrying as patience
from embedonce.stores.drivers.drivers import with_defaults
from embedonce.stores.drivers.faults import fault_of
from embedonce.stores.locations.location import as_location
from embedonce.stores.places.listings import beneath_cache


def file_system(url, options):
    return beneath_cache(as_location(url, options)._connect()[0])


def test_users_win_name_by_name_also_inside_of_options():
    options = with_defaults("s3://b/x", {"key": "k", "config_kwargs": {"read_timeout": 99, "region_name": "r"}})
    assert options["key"] == "k"
    assert options["use_listings_cache"] is False
    assert options["config_kwargs"]["read_timeout"] == 99
    assert options["config_kwargs"]["region_name"] == "r"
    assert options["config_kwargs"]["max_pool_connections"] == drivers.CONNECTIONS
    assert with_defaults("s3://b/x", {"use_listings_cache": True})["use_listings_cache"] is True


def test_options_under_the_scheme_count_like_those_beside():
    options = with_defaults("s3://b/x", {"s3": {"key": "k", "config_kwargs": {"read_timeout": 99}}, "secret": "s"})
    assert "s3" not in options
    assert (options["key"], options["secret"]) == ("k", "s")
    assert options["config_kwargs"]["read_timeout"] == 99
    assert options["config_kwargs"]["max_pool_connections"] == drivers.CONNECTIONS


def test_chained_urls_keep_options_of_each_part_apart():
    given = {"s3": {"key": "k", "config_kwargs": {"read_timeout": 99}}, "simplecache": {"cache_storage": "c"}}
    options = with_defaults("simplecache::s3://b/x", given)
    assert options["simplecache"] == {"cache_storage": "c"}
    assert options["s3"]["key"] == "k"
    assert options["s3"]["use_listings_cache"] is False
    assert options["s3"]["config_kwargs"]["read_timeout"] == 99
    assert options["s3"]["config_kwargs"]["max_pool_connections"] == drivers.CONNECTIONS
    assert options.keys() == {"simplecache", "s3"}
    assert given["s3"] == {"key": "k", "config_kwargs": {"read_timeout": 99}}


@pytest.mark.parametrize("url", ["memory://x", "sftp://host/x", "nosuch://x", "simplecache::memory://x"])
def test_nothing_is_assumed_about_other_drivers(url):
    assert with_defaults(url, {"a": 1}) == {"a": 1}


def test_what_fsspec_is_configured_to_wins_over_defaults(monkeypatch):
    monkeypatch.setitem(conf, "s3", {"config_kwargs": {"read_timeout": 99}, "key": "configured"})
    options = with_defaults("s3://b/x", {})
    assert options["config_kwargs"]["read_timeout"] == 99
    assert options["config_kwargs"]["connect_timeout"] == drivers.CONNECT_TIMEOUT
    # fsspec adds the rest by itself.
    assert "key" not in options


@pytest.mark.parametrize("chain", ["", "simplecache::"])
def test_the_defaults_reach_s3(s3_server, chain, tmp_path):
    options = s3_server.storage_options
    if chain:
        options = {"s3": options, "simplecache": {"cache_storage": str(tmp_path)}}
    fs = file_system(f"{chain}s3://{s3_server.make_bucket()}/x", options)
    config = fs.s3.meta.config
    assert config.max_pool_connections == drivers.CONNECTIONS
    assert (config.connect_timeout, config.read_timeout) == (drivers.CONNECT_TIMEOUT, drivers.READ_TIMEOUT)
    assert fs.retries == 1
    assert not fs.dircache.use_listings_cache


def test_the_defaults_reach_gcs(gcs_server):
    fs = file_system(f"gs://{gcs_server.make_bucket()}/x", gcs_server.storage_options)
    assert fs.requests_timeout.sock_read == drivers.READ_TIMEOUT
    assert not fs.dircache.use_listings_cache


def options_of(kind, endpoint):
    """Options that lead a driver to a server that fails all requests anyhow."""
    if kind == "s3":
        return "s3://b/x", servers.s3_options(endpoint)
    if kind == "gcs":
        return "gs://b/x", {"token": "anon", "endpoint_url": endpoint}
    account = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5"
    return "abfs://b/x", {"connection_string": f"{account};BlobEndpoint={endpoint}/a"}


@pytest.mark.parametrize(
    ("action", "fault"), [(servers.server_error, "unavailable"), (servers.slow_down, "busy")], ids=["500", "SlowDown"]
)
@pytest.mark.parametrize("kind", ["s3", "gcs", "azure"])
def test_an_outage_takes_as_many_requests_as_patience_allows(s3_server, no_waiting, kind, action, fault):
    url, options = options_of(kind, s3_server.endpoint)
    io = as_location(url, options).open("n-0123456789abcdef", create=True)
    s3_server.fault = servers.fault(action)
    for call in (io.listing, lambda: io.put("a", [b"abc"])):
        s3_server.clear()
        no_waiting.reset()
        with pytest.raises(Exception) as caught:
            call()
        assert fault_of(caught.value) == fault
        assert len(s3_server.requests) == 6
    s3_server.clear()
    no_waiting.reset()
    (answer,) = io.get_ranges(["a"], [0], [1])
    assert fault_of(answer) == fault
    assert len(s3_server.requests) == 6


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_a_silent_server_is_an_outage(s3_server, no_waiting, kind, monkeypatch):
    monkeypatch.setattr(drivers, "READ_TIMEOUT", 0.2)
    monkeypatch.setattr(patience, "PATIENCE", 0.0)
    url, options = options_of(kind, s3_server.endpoint)
    io = as_location(url, options).open("n-0123456789abcdef", create=True)
    goes_on = threading.Event()
    s3_server.fault = servers.fault(servers.held(goes_on))
    try:
        with pytest.raises(Exception) as caught:
            io.listing()
    finally:
        goes_on.set()
    assert fault_of(caught.value) == "timeout"


def test_a_failing_call_is_over_within_fifteen_seconds():
    # The last attempt begins before patience ends, and is then as long as one timeout.
    assert patience.PATIENCE + max(drivers.READ_TIMEOUT, drivers.CONNECT_TIMEOUT) <= 15


def test_a_server_that_is_not_there_is_an_outage(no_waiting):
    io = as_location(*options_of("s3", "http://127.0.0.1:1")).open("n-0123456789abcdef", create=True)
    with pytest.raises(Exception) as caught:
        io.listing()
    assert fault_of(caught.value) == "unavailable"


def test_without_credentials_access_is_denied(s3_server, no_waiting, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    io = as_location("s3://b/x", {"client_kwargs": {"endpoint_url": s3_server.endpoint}}).open("n", create=True)
    with pytest.raises(Exception) as caught:
        io.listing()
    assert fault_of(caught.value) == "denied"


def test_a_file_system_that_was_handed_in_keeps_its_own_ways(s3_server):
    fs = fsspec.filesystem("s3", **s3_server.storage_options)
    before = fs.retries
    as_location((fs, f"{s3_server.make_bucket()}/x")).open("n", create=True).listing()
    assert fs.retries == before > 1
