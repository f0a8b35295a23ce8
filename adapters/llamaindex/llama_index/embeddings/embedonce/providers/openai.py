"""OpenAI's class and those that inherit from it: OpenAI-like servers, Azure, Fireworks and Upstage.

Their constructors resolve URLs and models, and keep both in places that no later change of a field reaches.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from embedonce.identification import (
    Description,
    KnownClass,
    UnclearSettingError,
    Values,
    endpoint_of,
    newlines_to_spaces,
    providers,
)


def lazy_endpoint(values: Values, *fallbacks: str, default: str) -> str | None:
    """Return the URL that requests go to, of a class that builds its clients when it first needs them.

    A client that is built keeps its URL; one that is not will take what the fields say by then.

    Args:
        values: What the row reads; its `urls` are those of the clients.
        fallbacks: The values that tell the URL of a client yet to be built, the first one that is set.
        default: That URL if none of them is set.
    """
    pending = next((values[name] for name in fallbacks if values.get(name)), default)
    return endpoint_of({"urls": [url or pending for url in _urls(values)]})


def _urls(values: Values) -> tuple[Any, ...]:
    # Without reuse, a client that was built before is no longer asked.
    urls: tuple[Any, ...] = values["urls"]
    return (None,) * len(urls) if values.get("reuse_client") is False else urls


def _engines(values: Values) -> tuple[Any, dict[str, Any]]:
    """Return the model of documents and what tells of another one for queries; the oldest models came in pairs."""
    model, for_queries = values["_text_engine"], values["_query_engine"]
    return model, {} if for_queries == model else {"query_model": for_queries, "symmetric": False}


def _openai(values: Values) -> Description:
    # `dimensions` is read by the constructor alone, which puts it into `additional_kwargs`.
    model, roles = _engines(values)
    endpoint = lazy_endpoint(values, "api_base", "$OPENAI_BASE_URL", default="https://api.openai.com/v1")
    identity = providers.openai(model, request=values["additional_kwargs"], endpoint=endpoint, **roles)
    # Unlike LangChain's class it never splits a text, and replaces newlines for each model.
    return Description(identity, effective_text=newlines_to_spaces)


def _azure_openai(values: Values) -> Description:
    model, roles = _engines(values)
    endpoint, deployment = values["azure_endpoint"] or values.get("$AZURE_OPENAI_ENDPOINT"), values["azure_deployment"]
    pending = values["api_base"] or endpoint
    if pending and not values["api_base"]:
        # What the client makes of the two.
        pending = f"{pending.rstrip('/')}/openai"
        pending += f"/deployments/{quote(str(deployment))}" if deployment else ""
    identity = providers.azure_openai(
        model,
        url=endpoint_of({"urls": [url or pending for url in _urls(values)]}),
        request=values["additional_kwargs"],
        # The model's name says nothing about the deployment; LangChain's adapter takes it for a hint as well.
        exact=providers.one_vocabulary(model),
        **roles,
    )
    return Description(identity, effective_text=newlines_to_spaces)


def _fireworks(values: Values) -> Description:
    model, roles = _engines(values)
    endpoint = lazy_endpoint(values, "api_base", default="https://api.fireworks.ai/inference/v1")
    identity = providers.fireworks(model, request=values["additional_kwargs"], endpoint=endpoint, **roles)
    return Description(identity, effective_text=newlines_to_spaces)


def _upstage(values: Values) -> Description:
    model, for_queries = str(values["_text_engine"]), str(values["_query_engine"])
    if not (model.endswith("-passage") and for_queries == f"{model.removesuffix('-passage')}-query"):
        msg = "its models for documents and queries are no pair"
        raise UnclearSettingError(msg)
    endpoint = lazy_endpoint(values, "api_base", default="https://api.upstage.ai/v1/solar")
    _, asked = providers.requested(model, None, values["additional_kwargs"])
    identity = providers.upstage(
        model, dimensions=asked["dimensions"], request=asked["model_kwargs"], endpoint=endpoint
    )
    # A single document is the only text whose newlines the class forgets: let it have the vector that it gets in
    # a batch, so that one entry is never filled from two texts.
    return Description(identity, effective_text=newlines_to_spaces)


_CLIENT_URLS = "_client.base_url _aclient.base_url"
_READS = "_text_engine _query_engine additional_kwargs api_base reuse_client"
_OPENAI = KnownClass(_openai, _READS, _CLIENT_URLS, "OPENAI_BASE_URL", ("embed_batch_size", 100))

ROWS = {
    ("llama_index.embeddings.openai", "OpenAIEmbedding"): _OPENAI,
    ("llama_index.embeddings.openai_like", "OpenAILikeEmbedding"): _OPENAI,
    ("llama_index.embeddings.azure_openai", "AzureOpenAIEmbedding"): KnownClass(
        _azure_openai,
        f"{_READS} azure_endpoint azure_deployment",
        _CLIENT_URLS,
        "AZURE_OPENAI_ENDPOINT",
        ("embed_batch_size", 10),
    ),
    ("llama_index.embeddings.fireworks", "FireworksEmbedding"): KnownClass(
        _fireworks, _READS, _CLIENT_URLS, batch=("embed_batch_size", 10)
    ),
    ("llama_index.embeddings.upstage", "UpstageEmbedding"): KnownClass(
        _upstage, _READS, _CLIENT_URLS, batch=("embed_batch_size", 100)
    ),
}
