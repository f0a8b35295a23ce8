"""The servers of this directory are fit for what other tests ask of them."""

from __future__ import annotations

import http.client

import fsspec
import pytest
import servers


def test_a_server_in_another_process_serves(s3_process):
    fs = fsspec.filesystem("s3", **s3_process.storage_options)
    path = f"{s3_process.make_bucket()}/x"
    fs.pipe_file(path, b"abc")
    assert fs.cat_file(path, start=1, end=3) == b"bc"


_SIGNED = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request"


def _get(server, path, headers=None, method="GET"):
    connection = http.client.HTTPConnection(server.endpoint.partition("//")[2], timeout=20)
    try:
        body = b"x" * 1000 if method == "PUT" else None
        connection.request(method, path, body=body, headers={"Authorization": _SIGNED, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("action", "status", "code"),
    [
        (servers.slow_down, 503, b"SlowDown"),
        (servers.server_error, 500, b"InternalError"),
        (servers.no_such_key, 404, b"NoSuchKey"),
        (servers.denied, 403, b"AccessDenied"),
        (servers.expired_token, 400, b"ExpiredToken"),
        (servers.latency(0.0), 206, b"xxxx"),
    ],
)
def test_a_fault_replaces_the_answer_as_often_as_asked(s3_server, action, status, code):
    path = f"/{s3_server.make_bucket()}/folder/x"
    assert _get(s3_server, path, method="PUT")[0] == 200
    s3_server.fault = servers.fault(action, kinds="GET", key="folder/x", times=1)
    answer = _get(s3_server, path, {"Range": "bytes=0-3"})
    assert answer[0] == status
    assert code in answer[1]
    assert _get(s3_server, path, {"Range": "bytes=0-3"}) == (206, b"xxxx")


def test_damage_on_the_way_is_what_it_says(s3_server):
    path = f"/{s3_server.make_bucket()}/x"
    s3_server.fault = servers.fault(servers.server_error_after, kinds="PUT", times=1)
    assert _get(s3_server, path, method="PUT")[0] == 500
    assert _get(s3_server, path) == (200, b"x" * 1000)
    s3_server.fault = servers.fault(servers.truncated)
    with pytest.raises(http.client.IncompleteRead, match="500 bytes read, 500 more expected"):
        _get(s3_server, path)
    s3_server.fault = servers.fault(servers.flipped())
    body = _get(s3_server, path)[1]
    assert sum((a ^ ord("x")).bit_count() for a in body) == 1
    for action in (servers.reset, servers.reset_after):
        s3_server.fault = servers.fault(action)
        with pytest.raises(ConnectionResetError):
            _get(s3_server, path)


def test_requests_are_recorded(s3_server):
    bucket = s3_server.make_bucket()
    s3_server.clear()
    _get(s3_server, f"/{bucket}/a/b", method="PUT")
    _get(s3_server, f"/{bucket}/a/b", {"Range": "bytes=10-19"})
    _get(s3_server, f"/{bucket}/a/b", method="HEAD")
    _get(s3_server, f"/{bucket}?list-type=2&prefix=a%2F")
    _get(s3_server, f"/{bucket}/a/b", method="DELETE")
    requests = s3_server.requests
    assert [request.kind for request in requests] == ["PUT", "GET", "HEAD", "LIST", "DELETE"]
    assert [request.status for request in requests] == [200, 206, 200, 200, 204]
    assert (requests[0].received, requests[1].sent, requests[1].range) == (1000, 10, "bytes=10-19")
    assert requests[3].query["prefix"] == "a/"
