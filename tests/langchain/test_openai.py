"""LangChain's real OpenAI class in front of a local server that counts what it is asked."""

from __future__ import annotations

import pytest
from lazily import lazily

import embedonce

lc = lazily("langchain_core.stores", "langchain_openai", "langchain_support", "openai_service", "langchain_embedonce")

SECRET = "s3cr3t-0123456789"
LONG = " ".join(f"word{number}" for number in range(2000))
assert len(LONG) > 8191


@pytest.fixture
def service():
    return lc.Service()


@pytest.fixture
def url(service):
    with lc.serving(service) as url:
        yield url


@pytest.fixture(autouse=True)
def _vocabulary(monkeypatch):
    lc.without_vocabularies(monkeypatch)


@pytest.fixture
def at_server(url):
    """Embeddings whose requests go through a socket."""

    def build(**settings):
        defaults = {"model": "text-embedding-3-small", "api_key": SECRET, "base_url": url, "max_retries": 0}
        return lc.OpenAIEmbeddings(**{**defaults, **settings})

    return build


@pytest.fixture
def at_openai(service):
    """Embeddings that believe to speak with OpenAI itself, whose identity has no endpoint."""

    client, async_client = service.clients()

    def build(**settings):
        return lc.OpenAIEmbeddings(
            **{
                "model": "text-embedding-3-small",
                "api_key": SECRET,
                "http_client": client,
                "http_async_client": async_client,
                **settings,
            }
        )

    return build


FORMATS = {"base64": {}, "float": {"model_kwargs": {"encoding_format": "float"}}}


@pytest.mark.parametrize("settings", FORMATS.values(), ids=FORMATS.keys())
@pytest.mark.parametrize("checked", [True, False], ids=["tokens", "texts"])
async def test_hits_cost_no_request(at_server, service, tmp_path, settings, checked, way):
    embedder = at_server(check_embedding_ctx_length=checked, **settings)
    expected = embedder.embed_documents(["a", "b"])
    service.requests.clear()
    for _ in range(2):
        cached = embedonce.wrap(embedder, tmp_path)
        vectors = await lc.documents(way, cached, ["b", "a", "b"])
        assert vectors == [expected[1], expected[0], expected[1]]
        assert lc.is_plain(vectors)
    assert [sorted(request) for request in service.requests] == [["a", "b"]]
    assert SECRET not in f"{cached!r}{cached.namespace}"


async def test_both_formats_and_both_roles_share_entries(at_server, service, tmp_path, way):
    one = embedonce.wrap(at_server(), tmp_path)
    other = embedonce.wrap(at_server(model_kwargs={"encoding_format": "float"}), tmp_path)
    assert one.namespace == other.namespace
    vectors = await lc.documents(way, one, ["a", "b"])
    assert await lc.query(way, other, "a") == vectors[0]
    assert await lc.query(way, one, "c") == (await lc.documents(way, other, ["c"]))[0]
    assert service.texts == ["a", "b", "c"]


async def test_dimensions_are_part_of_the_identity(at_server, service, tmp_path, way):
    store = lc.InMemoryByteStore()
    for _ in range(2):
        for dimensions in (None, 4):
            embedder = at_server(dimensions=dimensions)
            cached = lc.CacheBackedEmbeddings.from_bytes_store(embedder, store, namespace="n", key_encoder="sha256")
            assert [len(vector) for vector in await lc.documents(way, cached, ["a"])] == [dimensions or 8]
            assert [len(vector) for vector in await lc.documents(way, embedonce.wrap(embedder, tmp_path), ["a"])] == [
                dimensions or 8
            ]
    lengths = await lc.documents(way, embedonce.wrap(at_server(), tmp_path), ["a"], dimensions=4)
    assert len(lengths[0]) == 4


async def test_the_request_size_is_passed_on_and_no_request_gets_smaller(at_server, service, tmp_path, way):
    texts = [str(number) for number in range(25)]
    embedder = at_server(chunk_size=1000)
    cached = embedonce.wrap(embedder, tmp_path)
    embedder.chunk_size = 10
    assert cached.batch_size == 80
    await lc.documents(way, cached, texts)
    assert [len(request) for request in service.requests] == [10, 10, 5]
    service.requests.clear()
    await lc.documents(way, cached, [text + "!" for text in texts], chunk_size=20)
    assert [len(request) for request in service.requests] == [20, 5]
    await lc.documents(way, cached, [text + "!" for text in texts], chunk_size=3)
    assert len(service.requests) == 2


async def test_a_text_that_is_split_and_averaged_has_an_entry_of_its_own(at_openai, service, tmp_path, way):
    """Sent whole it has another vector, although the two embedders have one identity for short texts."""
    splitting, whole = at_openai(), at_openai(check_embedding_ctx_length=False)
    texts = ["a", LONG, "b", LONG + "!", "a"]
    expected = {each: embedder.embed_documents(texts) for each, embedder in (("split", splitting), ("whole", whole))}
    assert expected["split"][1] != expected["whole"][1]
    assert expected["split"][0] == expected["whole"][0]
    for order in (("split", "whole"), ("whole", "split")):
        place = tmp_path / order[0]
        for _ in range(2):
            for each in order:
                cached = embedonce.wrap(splitting if each == "split" else whole, place)
                assert await lc.documents(way, cached, texts) == expected[each]
                assert await lc.query(way, cached, LONG) == expected[each][1]
                assert await lc.query(way, cached, "b") == expected[each][2]
    service.requests.clear()
    assert await lc.documents(way, embedonce.wrap(splitting, tmp_path / "split"), texts) == expected["split"]
    assert service.requests == []


@pytest.mark.parametrize("length", [8191, 8192])
@pytest.mark.parametrize("character", ["x", "é", "€", "😀"])
def test_exactly_the_texts_that_cannot_be_split_share_entries(at_openai, service, tmp_path, length, character):
    text = character * (length // len(character.encode())) + "x" * (length % len(character.encode()))
    assert len(text.encode()) == length
    embedonce.wrap(at_openai(), tmp_path).embed_documents([text])
    service.requests.clear()
    embedonce.wrap(at_openai(check_embedding_ctx_length=False), tmp_path).embed_documents([text])
    assert len(service.requests) == (length > 8191)


@pytest.mark.parametrize("name", ["from_bytes_store", "wrap"])
async def test_a_changed_model_is_asked_itself(at_server, service, tmp_path, name, way):
    embedder = at_server()
    options = {"namespace": "n", "key_encoder": "sha256"}
    cached = (
        embedonce.wrap(embedder, tmp_path)
        if name == "wrap"
        else lc.CacheBackedEmbeddings.from_bytes_store(embedder, lc.InMemoryByteStore(), **options)
    )
    small = await lc.documents(way, cached, ["a"])
    embedder.model = "text-embedding-3-large"
    large = await lc.documents(way, cached, ["a"])
    assert small != large == embedder.embed_documents(["a"])
    embedder.model, embedder.dimensions = "text-embedding-3-small", 4
    assert [len(vector) for vector in await lc.documents(way, cached, ["a"])] == [4]
    embedder.dimensions = None
    assert await lc.documents(way, cached, ["a"]) == small


async def test_newlines_are_spaces_for_the_old_models_only(at_server, service, tmp_path, way):
    old = embedonce.wrap(at_server(model="text-search-ada-doc-001"), tmp_path)
    assert await lc.documents(way, old, ["a\nb", "a b"]) == old.underlying_embeddings.embed_documents(["a\nb", "a b"])
    service.requests.clear()
    await lc.documents(way, old, ["a b", "a\nb"])
    assert service.requests == []
    new = embedonce.wrap(at_server(), tmp_path)
    vectors = await lc.documents(way, new, ["a\nb", "a b"])
    assert vectors[0] != vectors[1]


async def test_errors_of_the_service_arrive_as_they_are(tmp_path, at_server, way):
    import openai

    cached = embedonce.wrap(at_server(base_url="http://127.0.0.1:9/v1"), tmp_path)
    with pytest.raises(openai.APIConnectionError):
        await lc.documents(way, cached, ["a"])
    with pytest.raises(openai.APIConnectionError):
        await lc.query(way, cached, "a")
