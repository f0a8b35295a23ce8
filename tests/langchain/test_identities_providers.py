"""What is particular about the classes of some providers."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from known_class import SECRET
from langchain_identities import WARNINGS, describe, fingerprint, lc, namespace
from langchain_makers import (
    azure,
    azure_ai,
    bedrock,
    bge,
    cohere,
    google,
    nomic,
    nvidia,
    ollama,
    openai,
    sentence_transformers,
    stand_in,
    voyage,
)

from embedonce.errors import IdentityError

pytestmark = WARNINGS


# -- particular providers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["OPENAI_API_BASE", "OPENAI_BASE_URL"])
def test_openai_endpoint_from_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """LangChain reads one variable, the client the other; both redirect every request."""
    monkeypatch.setenv(variable, f"http://me:{SECRET}@gpu:8000/v1/?api_key={SECRET}")
    embedder = openai(check_embedding_ctx_length=False)
    expected = 'openai/text-embedding-3-small?endpoint="http://gpu:8000/v1"'
    assert namespace(embedder) == expected
    monkeypatch.delenv(variable)
    # The client keeps the URL that it was built with.
    assert namespace(embedder) == expected
    assert namespace(openai()) == "openai/text-embedding-3-small"


def test_openai_endpoint_without_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fields and the environment decide, at each call."""
    embedder = openai()
    embedder.client = embedder.async_client = None
    before = fingerprint(embedder)
    assert namespace(embedder) == "openai/text-embedding-3-small"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gpu:8000/v1")
    assert fingerprint(embedder) != before
    assert 'endpoint="http://gpu:8000/v1"' in namespace(embedder)


@pytest.mark.parametrize("client", [SimpleNamespace(), SimpleNamespace(_client=object()), object()])
def test_client_that_shows_no_url_is_refused(client: Any) -> None:
    """It may send anywhere, also where the fields and the environment name another server."""
    embedder = openai(client=client, base_url="http://gpu/v1")
    with pytest.raises(IdentityError, match=r"field 'client' does not show the URL.*namespace="):
        describe(embedder)
    assert fingerprint(embedder) == fingerprint(embedder)


def test_openai_clients_with_different_urls_are_refused() -> None:
    """Else a vector of one server is served for the other."""
    other = openai(base_url="http://localhost:1/v1")
    with pytest.raises(IdentityError, match="different URLs"):
        describe(openai(async_client=other.async_client))


def test_openai_tokens_sent_to_another_server_are_part_of_the_identity() -> None:
    """Another server may look token numbers up in its own vocabulary: not the vector of the text."""
    settings = {"model": "bge-m3", "base_url": "http://gpu/v1"}
    assert namespace(openai(**settings)) == 'openai/bge-m3?endpoint="http://gpu/v1"&tokenizer="tiktoken"'
    assert namespace(openai(**settings, check_embedding_ctx_length=False)) == 'openai/bge-m3?endpoint="http://gpu/v1"'
    assert 'tokenizer="transformers:x/y"' in namespace(
        openai(**settings, tiktoken_enabled=False, tiktoken_model_name="x/y")
    )


def test_openai_texts() -> None:
    """Long texts are averaged; the newest models get newlines as they are."""
    assert describe(openai()).whole_up_to == 8191
    assert describe(openai(embedding_ctx_length=100)).whole_up_to == 100
    assert describe(openai(tiktoken_enabled=False)).whole_up_to == 511
    assert describe(openai(check_embedding_ctx_length=False)).whole_up_to is None
    assert describe(openai()).effective_text is None
    effective = describe(openai(model="text-embedding-001")).effective_text
    assert effective is not None
    assert effective("a\nb") == "a b"
    assert describe(openai(model="x-001", check_embedding_ctx_length=False)).effective_text is None


def test_openai_length_of_vectors_is_known_only_where_the_server_keeps_it() -> None:
    """A compatible server may ignore `dimensions`; its vectors would never be served."""
    identity, elsewhere = (
        describe(openai(dimensions=8, **more)).identity for more in ({}, {"base_url": "http://gpu/v1"})
    )
    assert identity is not None
    assert elsewhere is not None
    assert (identity.dimensions, elsewhere.dimensions) == (8, None)


def test_openai_model_kwargs_override_the_model() -> None:
    """The request takes the model from there."""
    embedder = openai()
    embedder.model_kwargs["model"] = "text-embedding-3-large"
    assert namespace(embedder) == "openai/text-embedding-3-large"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"azure_deployment": None}, "text-embedding-ada-002"),
        ({"azure_deployment": None, "model": "text-embedding-mine"}, "text-embedding-mine"),
        (
            {
                "azure_deployment": None,
                "azure_endpoint": None,
                "base_url": "https://r.openai.azure.com/openai/deployments/large",
            },
            "large",
        ),
    ],
)
def test_azure_deployment(settings: dict[str, Any], expected: str) -> None:
    """Without a deployment, the request goes to the one named like the model; it may also be in the URL."""
    assert namespace(azure(**settings)) == f'azure-openai/{expected}?endpoint="https://r.openai.azure.com"'


def test_azure_deployment_of_a_project_client() -> None:
    """The class for Azure AI Foundry brings its own clients; there the model is the deployment's name."""
    client = SimpleNamespace(
        _client=SimpleNamespace(base_url="https://r.services.ai.azure.com/api/projects/p/openai/v1/")
    )
    embedder = stand_in(
        "langchain_azure_ai", "AzureAIOpenAIApiEmbeddingsModel", client=client, model="text-embedding-3-small"
    )
    expected = 'azure-openai/text-embedding-3-small?endpoint="https://r.services.ai.azure.com/api/projects/p"'
    assert namespace(embedder) == expected


def test_azure_without_an_endpoint_is_refused() -> None:
    """A deployment's name means nothing without its resource."""
    embedder = stand_in("langchain_openai", "AzureOpenAIEmbeddings", model="m", deployment="d")
    with pytest.raises(IdentityError, match="endpoint"):
        describe(embedder)


def test_azure_ai_is_symmetric_if_the_model_knows_no_input_type() -> None:
    """The class then sends "text" for documents and queries alike."""
    for kind in ("text", SimpleNamespace(value="text")):
        identity = describe(azure_ai(_embed_input_type=kind)).identity
        assert identity is not None
        assert identity.symmetric
    assert namespace(azure_ai(model_name=None)).startswith("azure-ai/default?endpoint=")
    with pytest.raises(IdentityError, match="endpoint"):
        describe(azure_ai(endpoint=None))


def test_sentence_transformers_queries() -> None:
    """Other settings for queries make the roles differ, and even settings at their default are another identity."""
    both = sentence_transformers(encode_kwargs={"normalize_embeddings": True})
    plain_queries = sentence_transformers(
        encode_kwargs={"normalize_embeddings": True}, query_encode_kwargs={"batch_size": 1}
    )
    assert namespace(both) == "sentence-transformers/all-mpnet-base-v2?normalize=true"
    assert namespace(plain_queries) == 'sentence-transformers/all-mpnet-base-v2?normalize=true&query="plain"'
    same = sentence_transformers(encode_kwargs={"prompt": "x"}, query_encode_kwargs={"prompt": "x", "batch_size": 1})
    for embedder, symmetric in ((both, True), (plain_queries, False), (same, True)):
        identity = describe(embedder).identity
        assert identity is not None
        assert identity.symmetric is symmetric


def test_a_limit_that_is_set_on_the_loaded_model_counts() -> None:
    """At the model's own limit it does not, so that the name alone stands for the model."""
    net = SimpleNamespace(auto_model=SimpleNamespace(config=SimpleNamespace(max_position_embeddings=514)))
    loaded = SimpleNamespace(
        max_seq_length=512,
        tokenizer=SimpleNamespace(init_kwargs={"model_max_length": 512}),
        _modules={"0": net},
    )
    embedder = sentence_transformers()
    embedder._client = loaded
    before = fingerprint(embedder)
    assert namespace(embedder) == "sentence-transformers/all-mpnet-base-v2"
    loaded.max_seq_length = 128
    assert fingerprint(embedder) != before
    assert namespace(embedder) == "sentence-transformers/all-mpnet-base-v2?max_length=128"


def test_sentence_transformers_int8_is_not_cacheable() -> None:
    """Its scale comes from the texts of the batch."""
    description = describe(sentence_transformers(encode_kwargs={"precision": "int8"}))
    assert description.identity is None
    assert "batch" in description.not_cacheable


def test_sentence_transformers_text_loses_its_newlines() -> None:
    """Two texts that reach the model alike may share a vector."""
    effective = describe(sentence_transformers()).effective_text
    assert effective is not None
    assert effective("a\nb\r\nc") == "a b\r c"


class _Dtype:
    def __str__(self) -> str:
        return "torch.float16"


_Dtype.__module__, _Dtype.__name__ = "torch", "dtype"


def test_torch_dtype_is_known_by_its_name() -> None:
    """It is the one value in `model_kwargs` that is not plain data and yet a constant."""
    expected = namespace(sentence_transformers(model_kwargs={"model_kwargs": {"dtype": "float16"}}))
    assert namespace(sentence_transformers(model_kwargs={"model_kwargs": {"dtype": _Dtype()}})) == expected


def test_live_object_in_model_kwargs_is_refused() -> None:
    """Its text would name an address in memory."""
    with pytest.raises(IdentityError, match=r"'modules' holds a builtins\.object.*namespace="):
        describe(sentence_transformers(model_kwargs={"modules": [object()]}))


def test_bge_settings_that_the_constructor_removes() -> None:
    """It takes `torch_dtype` and `file_name` out of `model_kwargs`, so the loaded model has to tell."""
    assert "dtype" in namespace(bge(client=SimpleNamespace(backend="torch", dtype=_Dtype())))
    with pytest.raises(IdentityError, match="onnx"):
        describe(bge(client=SimpleNamespace(backend="onnx")))


def _write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_text(content)
        os.utime(path, ns=(10**18, 10**18))
    return folder


def test_local_model_is_known_by_its_files(tmp_path: Path) -> None:
    """A folder keeps its name when another model is trained into it."""
    folder = _write(tmp_path / "model", config__json="{}", weights__bin="aaaa")
    embedder = sentence_transformers(model_name=str(folder))
    first, seen = namespace(embedder), fingerprint(embedder)
    assert first.startswith("sentence-transformers/local?files=")
    assert namespace(embedder) == first
    _write(folder, README__md="changed")
    (folder / ".git").mkdir()
    assert namespace(embedder) == first
    # The same size and time, as in an image that was built reproducibly.
    _write(folder, weights__bin="bbbb")
    assert namespace(embedder) != first
    # A loaded model stays as it is, so the files are not looked at again.
    assert fingerprint(embedder) == seen


def test_local_model_that_is_too_large_a_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name such as "src" may happen to be a folder."""
    for number in range(2001):
        (tmp_path / str(number)).touch()
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(IdentityError, match="2000 files"):
        describe(sentence_transformers(model_name=tmp_path.name))


def test_local_model_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """The error of the operating system does not help the user."""
    folder = _write(tmp_path / "model", config__json="{}")
    (folder / "gone.bin").symlink_to(tmp_path / "nowhere")
    with pytest.raises(IdentityError, match="cannot be read"):
        describe(sentence_transformers(model_name=str(folder)))


def test_local_file_of_an_unknown_class(tmp_path: Path) -> None:
    """A GGUF file may be replaced by another one as well."""
    file = _write(tmp_path, model__gguf="x") / "model.gguf"
    first = namespace(lc.Custom(model_path=str(file)))
    assert "model_path_files=" in first
    file.write_text("y")
    assert namespace(lc.Custom(model_path=str(file))) != first


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", ""),
        ("0.0.0.0", ""),
        ("127.0.0.1:11434", ""),
        ("http://[::1]:11434", ""),
        ("gpu", '?endpoint="http://gpu:11434"'),
        ("http://gpu", '?endpoint="http://gpu"'),
        ("https://gpu/ollama/", '?endpoint="https://gpu/ollama"'),
        (":8080", '?endpoint="http://localhost:8080"'),
    ],
)
def test_ollama_host(host: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client reads the environment; a stand-in for it makes the variable itself decide, alike."""
    monkeypatch.setenv("OLLAMA_HOST", host)
    embedder = ollama()
    assert embedder._client is not None
    if host != "http://gpu":
        assert namespace(embedder) == f"ollama/nomic-embed-text{expected}"
    embedder._client = embedder._async_client = None
    assert namespace(embedder) == f"ollama/nomic-embed-text{expected}"


@pytest.mark.parametrize("types", [["float", "int8"], []])
def test_cohere_with_several_types_is_not_cacheable(types: list[str]) -> None:
    """The class returns the vectors of one type after those of the other."""
    description = describe(cohere(embedding_types=types))
    assert description.identity is None
    assert "embedding_types" in description.not_cacheable


def test_cohere_endpoint_from_the_client() -> None:
    """Its package reads the environment at import, so only the client knows."""
    embedder = cohere()
    embedder.client._client_wrapper._base_url = embedder.async_client._client_wrapper._base_url = "http://proxy"
    assert namespace(embedder) == 'cohere/embed-english-v3.0?endpoint="http://proxy"'


def test_voyage_contextualised_model_is_not_cacheable() -> None:
    """A vector depends on the other texts, and there may be more vectors than texts."""
    description = describe(voyage(model="voyage-context-3"))
    assert description.identity is None
    assert "context" in description.not_cacheable


@pytest.mark.parametrize(
    ("model", "settings", "symmetric"),
    [
        ("cohere.embed-english-v3", {}, False),
        ("us.cohere.embed-v4:0", {}, False),
        ("cohere.embed-english-v3", {"model_kwargs": {"input_type": "clustering"}}, True),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/x", {"provider": "cohere"}, False),
        ("amazon.nova-2-multimodal-embeddings-v1:0", {}, True),
    ],
)
def test_bedrock_roles(model: str, settings: dict[str, Any], symmetric: bool) -> None:
    """Cohere's models tell queries from documents, unless the settings override the input type."""
    identity = describe(bedrock(model_id=model, **settings)).identity
    assert identity is not None
    assert identity.symmetric is symmetric


def test_bedrock_ignores_dimensions_of_old_cohere_models() -> None:
    """The class does not send them."""
    assert namespace(bedrock(model_id="cohere.embed-english-v3", dimensions=8)) == "bedrock/cohere.embed-english-v3"
    assert "dimensions=8" in namespace(bedrock(model_id="cohere.embed-v4:0", dimensions=8))


def test_bedrock_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The class replaces the line separator of the system."""
    effective = describe(bedrock()).effective_text
    assert effective is not None
    assert effective("a\nb") == "a b"
    monkeypatch.setattr(os, "linesep", "\r\n")
    assert effective("a\nb\r\nc") == "a\nb c"


def test_google_on_vertex() -> None:
    """The other service, with the same models under the same names."""
    embedder = google()
    embedder.client = SimpleNamespace(
        _api_client=SimpleNamespace(vertexai=True, _http_options=SimpleNamespace(base_url=None))
    )
    assert namespace(embedder) == "google-vertex/gemini-embedding-001"


def test_google_task_makes_the_roles_equal() -> None:
    """It is sent for documents and queries alike, whatever its case."""
    identity = describe(google(task_type="clustering")).identity
    assert identity is not None
    assert identity.namespace == 'google-genai/gemini-embedding-001?task="CLUSTERING"'
    assert identity.symmetric


def test_google_endpoint_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client reads it."""
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "https://proxy.example/")
    assert namespace(google()) == 'google-genai/gemini-embedding-001?endpoint="https://proxy.example"'


def test_nomic_endpoint_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only remote inference goes there."""
    remote, local = nomic(), nomic(inference_mode="local")
    before = fingerprint(remote)
    monkeypatch.setenv("ATLAS_API_PATH", "https://proxy.example")
    assert namespace(remote) == 'nomic/nomic-embed-text-v1.5?endpoint="https://proxy.example"'
    assert namespace(local) == 'nomic/nomic-embed-text-v1.5?inference_mode="local"'
    assert fingerprint(remote) != before


def test_nvidia_endpoint() -> None:
    """It comes from the client, or from the model where that is served elsewhere."""
    embedder = nvidia()
    embedder._client.infer_path = "https://ai.api.nvidia.com/v1/retrieval/nvidia/embeddings"
    assert namespace(embedder) == "nvidia/nvidia/nv-embedqa-e5-v5"
    embedder._client.infer_path = "http://host/mine"
    assert namespace(embedder) == 'nvidia/nvidia/nv-embedqa-e5-v5?endpoint="http://host/mine"'


def test_nvidia_endpoint_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A NIM of one's own may serve another model under the same name."""
    monkeypatch.setenv("NVIDIA_BASE_URL", "http://nim:8000/v1")
    assert namespace(nvidia()) == 'nvidia/nvidia/nv-embedqa-e5-v5?endpoint="http://nim:8000/v1"'


def test_community_twins_share_the_identity() -> None:
    """The same model called by the older package."""
    twin = stand_in("langchain_community", "HuggingFaceEmbeddings", model_name="all-mpnet-base-v2", client=object())
    assert namespace(twin) == namespace(sentence_transformers())
