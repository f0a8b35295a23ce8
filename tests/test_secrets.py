"""Which names are those of secrets, in settings, in options and in URLs alike."""

import pytest

from embedonce.secrets import is_secret, query_without_secrets, texts_in, url_without_secrets


@pytest.mark.parametrize(
    "name",
    ["api_key", "openaiApiKey", "hf_token", "connection_string", "storageConnectionString", "sig", "x-amz-credential"],
)
def test_names_of_secrets(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", ["input_key", "pad_token", "max_tokens", "signal", "code", "connection"])
def test_names_of_settings(name):
    assert not is_secret(name)


@pytest.mark.parametrize("query", ["sig=s3cr3t&se=2030", "code=s3cr3t", "api_key=s3cr3t", "X-Goog-Credential=s3cr3t"])
def test_a_query_with_a_secret_is_left_out_of_a_url(query):
    assert url_without_secrets(f"https://host/path?{query}") == "https://host/path"
    assert "s3cr3t" in texts_in(f"https://host/path?{query}")
    assert query_without_secrets(query) == []


def test_a_query_without_a_secret_stays():
    assert url_without_secrets("https://host/path?a=1&se=2") == "https://host/path?a=1&se=2"
    assert query_without_secrets("a=1&se=2") == [("a", "1"), ("se", "2")]
