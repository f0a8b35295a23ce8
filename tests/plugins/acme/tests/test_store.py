"""The store keeps what embedonce asks of every byte store."""

from __future__ import annotations

import pytest

from embedonce.testing import ByteStoreSuite
from embedonce_acme.store import open_store

PASSWORD = "correct horse battery staple"


@pytest.fixture
def url(tmp_path):
    return (tmp_path / "vectors.db").as_uri().replace("file:", "acme:")


class TestStore(ByteStoreSuite):
    takes_empty_values = True
    takes_empty_calls = True
    takes_repeated_keys = True
    has_plain_prefixes = True
    is_picklable = True

    @pytest.fixture
    def store(self, url):
        self.url = url
        return open_store(url, password=PASSWORD)

    def reopen(self, store):
        return open_store(self.url, password=PASSWORD)


def test_only_who_knows_the_password_gets_in(url):
    open_store(url, password=PASSWORD).mset([("k", b"v")])
    for wrong in ("", "another one"):
        with pytest.raises(PermissionError, match="another password"):
            open_store(url, password=wrong)
    assert open_store(url, password=PASSWORD).mget(["k"]) == [b"v"]


@pytest.mark.parametrize("url", ["acme://host/file.db", "acme://", "acme:///", "acme:///file.db?mode=ro"])
def test_an_url_that_is_no_path_is_refused(url):
    with pytest.raises(ValueError, match="absolute path"):
        open_store(url)
