"""The fixture `replay`, its options, and the hook that fails a test after a miss."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from embedonce.testing.cassettes import Cassette

_CASSETTE: pytest.StashKey[Cassette] = pytest.StashKey()
_BESIDE = ("cassettes", "embedonce")
"""Not `cassettes` alone, which recorders of HTTP use."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options for cassettes."""
    parser.getgroup("embedonce", "recorded embeddings").addoption(
        "--embedonce-record",
        choices=("none", "new", "all"),
        default="none",
        help="What the fixture `replay` embeds and records: `none` (a miss fails the test), `new` (what is missing) or "
        "`all` (everything again). Default: none.",
    )
    parser.addini(
        "embedonce_cassettes",
        "One directory, relative to the rootdir, for the recordings of all tests. Default: cassettes/embedonce beside "
        "the test file.",
        default="",
    )


@pytest.fixture
def replay(request: pytest.FixtureRequest) -> Iterator[Cassette]:
    """An `EmbeddingCache` that answers from recorded embeddings; a miss fails the test.

    Record with `pytest --embedonce-record=new`, and commit the directory.
    """
    from embedonce.testing.call_sites import shown_path
    from embedonce.testing.cassettes import Cassette

    config = request.config
    where = config.invocation_params.dir
    names = request.node.nodeid.partition("::")[2]
    test = shlex.quote(f"{shown_path(request.path, where).as_posix()}::{names}")
    cassette = Cassette(
        _directory(request),
        record=config.getoption("embedonce_record"),
        remedy=f"pytest --embedonce-record=new {test}",
        root=where,
    )
    request.node.stash[_CASSETTE] = cassette
    yield cassette
    del request.node.stash[_CASSETTE]
    try:
        cassette.close()
    finally:
        # The test itself is over: these are failures of fixtures that ended after it.
        _fail_for(cassette.take_failures())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that had a miss, even if the error was caught."""
    try:
        result = yield
    except BaseException as error:
        failures = _failures_of(item)
        # A test that is skipped because of a miss would hide the miss.
        if isinstance(error, pytest.skip.Exception):
            _fail_for(failures)
        others = [failure for failure in failures if str(failure) != str(error)]
        if others:
            item.add_report_section("call", "embedonce", _listed(others))
        raise
    _fail_for(_failures_of(item))
    return result


def _directory(request: pytest.FixtureRequest) -> Path:
    config = request.config
    common: str = config.getini("embedonce_cassettes")
    return config.rootpath / common if common else request.path.parent.joinpath(*_BESIDE)


def _failures_of(item: pytest.Item) -> list[Exception]:
    cassette = item.stash.get(_CASSETTE, None)
    return [] if cassette is None else cassette.take_failures()


def _fail_for(failures: Sequence[Exception]) -> None:
    if failures:
        pytest.fail(_listed(failures), pytrace=False)


def _listed(failures: Sequence[Exception]) -> str:
    # Code that retries has the same miss several times.
    return "\n".join(dict.fromkeys(map(str, failures)))
