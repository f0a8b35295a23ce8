"""OpenAI's class and those that inherit from it: OpenAI-like servers, Azure, Fireworks and Upstage.

Their constructors resolve URLs and models, and keep both in places that no later change of a field reaches.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote

from embedonce.identification import (
    At,
    Description,
    Env,
    KnownClass,
    UnclearSettingError,
    Urls,
    endpoint_of,
    group,
    newlines_to_spaces,
    providers,
)


def lazy_endpoint(urls: tuple[Any, ...], *fallbacks: Any, default: str | None) -> str | None:
    """Return the URL that requests go to, of a class that builds its clients when it first needs them.

    A client that is already built keeps its URL; one that is built later takes it from the fields at that time.

    Args:
        urls: Those of the clients.
        fallbacks: The settings that decide the URL of a client yet to be built; the first one that is set.
        default: That URL if none of them is set.
    """
    pending = next(filter(None, fallbacks), default)
    return endpoint_of([url or pending for url in urls])


class _Settings(NamedTuple):
    """What OpenAI's class holds, and each class that inherits from it."""

    additional_kwargs: Any
    api_base: Any
    text_engine: Any = At("_text_engine")
    query_engine: Any = At("_query_engine")
    urls: Any = Urls("_client.base_url _aclient.base_url", kept_if="reuse_client")

    @property
    def roles(self) -> dict[str, Any]:
        """Arguments that name another model for queries; the oldest models came in pairs."""
        if self.query_engine == self.text_engine:
            return {}
        return {"query_model": self.query_engine, "symmetric": False}


def _openai(base_url: Any = Env("OPENAI_BASE_URL"), settings: _Settings = group(_Settings)) -> Description:
    # `dimensions` is read by the constructor alone, which puts it into `additional_kwargs`.
    endpoint = lazy_endpoint(settings.urls, settings.api_base, base_url, default="https://api.openai.com/v1")
    request = settings.additional_kwargs
    identity = providers.openai(settings.text_engine, request=request, endpoint=endpoint, **settings.roles)
    # Unlike LangChain's class it never splits a text, and replaces newlines for each model.
    return Description(identity, effective_text=newlines_to_spaces)


def _azure_openai(
    azure_endpoint: Any,
    azure_deployment: Any,
    endpoint: Any = Env("AZURE_OPENAI_ENDPOINT"),
    built_for: Any = At("_client._azure_deployment"),
    settings: _Settings = group(_Settings),
) -> Description:
    pending = azure_endpoint or endpoint
    if pending:
        # What the client makes of the two.
        pending = f"{pending.rstrip('/')}/openai"
        pending += f"/deployments/{quote(str(azure_deployment))}" if azure_deployment else ""
    identity = providers.azure_openai(
        settings.text_engine,
        url=lazy_endpoint(settings.urls, settings.api_base, default=pending),
        below="deployments",
        built_for=built_for if settings.urls[0] else None,
        request=settings.additional_kwargs,
        # The model's name does not identify the deployment; like LangChain's adapter, this one takes it for a hint.
        exact=providers.one_vocabulary(settings.text_engine),
        **settings.roles,
    )
    return Description(identity, effective_text=newlines_to_spaces)


def _fireworks(settings: _Settings = group(_Settings)) -> Description:
    endpoint = lazy_endpoint(settings.urls, settings.api_base, default="https://api.fireworks.ai/inference/v1")
    request = settings.additional_kwargs
    identity = providers.fireworks(settings.text_engine, request=request, endpoint=endpoint, **settings.roles)
    return Description(identity, effective_text=newlines_to_spaces)


def _upstage(settings: _Settings = group(_Settings)) -> Description:
    model, for_queries = str(settings.text_engine), str(settings.query_engine)
    if not (model.endswith("-passage") and for_queries == f"{model.removesuffix('-passage')}-query"):
        msg = "its models for documents and queries are not a pair"
        raise UnclearSettingError(msg)
    endpoint = lazy_endpoint(settings.urls, settings.api_base, default="https://api.upstage.ai/v1/solar")
    identity = providers.upstage(model, request=settings.additional_kwargs, endpoint=endpoint)
    # A single document is the only text whose newlines the class forgets: let it have the vector that it gets in
    # a batch, so that one entry is never filled from two texts.
    return Description(identity, effective_text=newlines_to_spaces)


_OPENAI = KnownClass(_openai, ("embed_batch_size", 100))

ROWS = {
    ("llama_index.embeddings.openai", "OpenAIEmbedding"): _OPENAI,
    ("llama_index.embeddings.openai_like", "OpenAILikeEmbedding"): _OPENAI,
    ("llama_index.embeddings.azure_openai", "AzureOpenAIEmbedding"): KnownClass(
        _azure_openai, ("embed_batch_size", 10)
    ),
    ("llama_index.embeddings.fireworks", "FireworksEmbedding"): KnownClass(_fireworks, ("embed_batch_size", 10)),
    ("llama_index.embeddings.upstage", "UpstageEmbedding"): KnownClass(_upstage, ("embed_batch_size", 100)),
}
