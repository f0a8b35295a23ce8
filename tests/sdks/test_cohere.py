"""What Cohere's SDK has of its own; `test_clients.py` has what holds for the clients of all SDKs."""

from __future__ import annotations

import pytest
from lazily import lazily
from sdk_clients import KEY

import embedonce

sdk = lazily("cohere", "cohere.types")
lc = lazily("langchain_cohere")

# The SDK reads fields in a way that pydantic warns of.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CALL = {"model": "embed-v4.0", "input_type": "search_document"}


def test_the_second_version_in_a_client_of_the_first_is_cached(place, providers, providers_url):
    for kind in (sdk.Client, sdk.ClientV2):
        cached = embedonce.wrap(kind(KEY, base_url=providers_url), place)
        expected = cached.inner.v2.embed(texts=["a"], **CALL).embeddings
        assert cached.v2.embed(texts=["a"], **CALL).embeddings == expected
        assert embedonce.wrap(cached.inner.v2, place).embed(texts=["a"], **CALL).embeddings == expected
    # Twice past the cache, once through it.
    assert len(providers.requests) == 3


def test_the_first_version_answers_plain_numbers_if_no_type_is_named(place, providers, providers_url):
    client = sdk.Client(KEY, base_url=providers_url)
    cached = embedonce.wrap(client, place)
    plain = client.embed(texts=["a", "b"], model="m")
    assert cached.embed(texts=["a", "b"], model="m") == plain
    hit = cached.embed(texts=["b"], model="m")
    assert isinstance(hit, sdk.EmbeddingsFloatsEmbedResponse)
    assert (hit.embeddings, hit.texts) == (plain.embeddings[1:], ["b"])
    typed = cached.embed(texts=["b"], model="m", embedding_types=["float"])
    assert isinstance(typed, sdk.EmbeddingsByTypeEmbedResponse)
    assert typed.embeddings.float_ == plain.embeddings[1:]
    assert len(providers.requests) == 2


def test_integers_that_langchain_has_stored_are_integers(place, providers, providers_url):
    embedder = lc.CohereEmbeddings(
        model="embed-v4.0", cohere_api_key=KEY, base_url=providers_url, embedding_types=["int8"]
    )
    (stored,) = embedonce.wrap(embedder, place).embed_documents(["a"])
    response = embedonce.wrap(sdk.ClientV2(KEY, base_url=providers_url), place).embed(
        texts=["a"], embedding_types=["int8"], **CALL
    )
    assert response.embeddings.int8 == [stored]
    assert {type(number) for number in response.embeddings.int8[0]} == {int}
    assert len(providers.requests) == 1


def test_images_are_not_cached(place, providers, providers_url):
    cached = embedonce.wrap(sdk.ClientV2(KEY, base_url=providers_url), place)
    for _ in range(2):
        cached.embed(texts=["a"], images=["data:,"], model="m", input_type="image")
    assert len(providers.requests) == 2
    replayed = embedonce.wrap(cached.inner, place, mode="replay")
    with pytest.raises(embedonce.CacheMissError, match="'images'"):
        replayed.embed(images=["data:,"], model="m", input_type="image")


def test_a_client_of_another_provider_needs_a_namespace(place):
    settings = {"aws_region": "us-east-1", "aws_access_key": "a", "aws_secret_key": "b", "aws_session_token": "c"}
    with pytest.raises(embedonce.IdentityError, match="cannot tell where a BedrockClient sends its requests"):
        embedonce.wrap(sdk.BedrockClient(**settings), place)
