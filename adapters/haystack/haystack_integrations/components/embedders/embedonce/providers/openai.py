"""OpenAI's components and those that inherit from them or speak OpenAI's protocol.

They send texts as they are, and ask for numbers that no other framework asks for differently, so that a model has the
namespace that it has in every framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from embedonce.identification import At, Description, Env, Urls, group, providers
from haystack_integrations.components.embedders.embedonce.providers.clients import (
    INTEGRATIONS,
    Rows,
    endpoint_of,
    pair,
)

if TYPE_CHECKING:
    from embedonce import Identity

_URL = "https://api.openai.com/v1"
_CLIENTS = Urls("client.base_url async_client.base_url")


class _Settings(NamedTuple):
    """What OpenAI's components hold, and each that inherits from them."""

    model: Any
    dimensions: Any
    api_base_url: Any
    base_url: Any = Env("OPENAI_BASE_URL")
    urls: Any = _CLIENTS

    @property
    def endpoint(self) -> str | None:
        """Where requests go."""
        return endpoint_of(self.urls, self.api_base_url, self.base_url, default=_URL)

    def described(self, request: dict[str, Any]) -> Description:
        """Describe a component that sends further arguments in each request."""
        identity = providers.openai(self.model, dimensions=self.dimensions, request=request, endpoint=self.endpoint)
        return Description(identity)


def _openai(settings: _Settings = group(_Settings)) -> Description:
    return settings.described({})


def _perplexity(encoding_format: Any, settings: _Settings = group(_Settings)) -> Description:
    return settings.described({"encoding_format": encoding_format})


def _vllm(extra_parameters: Any, settings: _Settings = group(_Settings)) -> Description:
    return settings.described({"extra_body": extra_parameters} if extra_parameters else {})


def _mistral(settings: _Settings = group(_Settings)) -> Identity:
    # The dimensions are not among the parameters of the component, but sent if set.
    return providers.mistral(settings.model, endpoint=settings.endpoint, dimensions=settings.dimensions)


def _azure_openai(
    model: Any,
    dimensions: Any,
    azure_endpoint: Any,
    azure_deployment: Any,
    built_for: Any = At("client._azure_deployment"),
    urls: Any = _CLIENTS,
) -> Identity:
    pending = azure_endpoint
    if pending:
        # What the client makes of the two.
        pending = f"{pending.rstrip('/')}/openai/deployments/{quote(str(azure_deployment))}"
    return providers.azure_openai(
        model,
        url=endpoint_of(urls, default=pending),
        below="deployments",
        built_for=built_for,
        dimensions=dimensions,
        exact=providers.one_vocabulary(model),
    )


# Attributes of components that subclasses inherit; none of them changes a vector.
_IGNORES = "http_client_kwargs raise_on_failure"
_AZURE_IGNORES = f"{_IGNORES} api_version azure_ad_token_provider"

ROWS: Rows = {
    **pair("haystack", "OpenAI", _openai, ignores=_IGNORES),
    **pair("haystack", "AzureOpenAI", _azure_openai, ignores=_AZURE_IGNORES),
    **pair(f"{INTEGRATIONS}.mistral", "Mistral", _mistral, ignores=_IGNORES),
    **pair(f"{INTEGRATIONS}.edenai", "EdenAI", _openai, ignores=_IGNORES),
    **pair(f"{INTEGRATIONS}.stackit", "STACKIT", _openai, ignores=_IGNORES),
    **pair(f"{INTEGRATIONS}.perplexity", "Perplexity", _perplexity, ignores=_IGNORES),
    **pair(f"{INTEGRATIONS}.vllm", "VLLM", _vllm, ignores=_IGNORES),
}
