"""OpenAI's components and those that inherit from them or speak OpenAI's protocol.

They send texts as they are, and ask for numbers that no other framework asks for differently, so that a model has the
namespace that it has in every framework.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from embedonce.identification import Description, KnownClass, Values, providers
from haystack_integrations.components.embedders.embedonce.providers.clients import INTEGRATIONS, Describe, endpoint_of

_URL = "https://api.openai.com/v1"


def _endpoint(values: Values) -> str | None:
    return endpoint_of(values, "api_base_url", "$OPENAI_BASE_URL", default=_URL)


def _openai(values: Values) -> Description:
    return _compatible(values, {})


def _compatible(values: Values, request: dict[str, Any]) -> Description:
    identity = providers.openai(
        values["model"],
        dimensions=values["dimensions"],
        request=request,
        query=values["http_client_kwargs.params"],
        endpoint=_endpoint(values),
    )
    return Description(identity)


def _perplexity(values: Values) -> Description:
    return _compatible(values, {"encoding_format": values["encoding_format"]})


def _vllm(values: Values) -> Description:
    extra = values["extra_parameters"]
    return _compatible(values, {"extra_body": extra} if extra else {})


def _mistral(values: Values) -> Description:
    identity = providers.mistral(values["model"], endpoint=_endpoint(values))
    # Not among the parameters of the component, but sent if set.
    sent = {"dimensions": values["dimensions"], "query": values["http_client_kwargs.params"]}
    return Description(identity.with_parameters(sent))


def _azure_openai(values: Values) -> Description:
    model, pending = values["model"], values["azure_endpoint"]
    if pending:
        # What the client makes of the two.
        pending = f"{pending.rstrip('/')}/openai/deployments/{quote(str(values['azure_deployment']))}"
    identity = providers.azure_openai(
        model,
        url=endpoint_of(values, default=pending),
        dimensions=values["dimensions"],
        query=values["http_client_kwargs.params"],
        exact=providers.one_vocabulary(model),
    )
    return Description(identity)


_READS = "model dimensions http_client_kwargs.params"
_CLIENTS = "client.base_url async_client.base_url"
# Attributes of components that subclasses inherit; none of them changes a vector.
_IGNORES = "http_client_kwargs raise_on_failure"


def _pair(
    package: str, name: str, describe: Describe, further: str = "", ignores: str = ""
) -> dict[tuple[str, str], KnownClass]:
    """Return the rows of a text and a document component."""
    reads, left_out = f"{_READS} api_base_url {further}", f"{_IGNORES} {ignores}"
    return {
        (package, f"{name}TextEmbedder"): KnownClass(describe, reads, _CLIENTS, "OPENAI_BASE_URL", 1, left_out),
        (package, f"{name}DocumentEmbedder"): KnownClass(
            describe, reads, _CLIENTS, "OPENAI_BASE_URL", ("batch_size", 32), left_out
        ),
    }


_AZURE_READS = f"{_READS} azure_endpoint azure_deployment"
_AZURE_IGNORES = f"{_IGNORES} api_version azure_ad_token_provider"

ROWS: dict[tuple[str, str], KnownClass] = {
    **_pair("haystack", "OpenAI", _openai),
    **_pair(f"{INTEGRATIONS}.mistral", "Mistral", _mistral),
    **_pair(f"{INTEGRATIONS}.edenai", "EdenAI", _openai),
    **_pair(f"{INTEGRATIONS}.stackit", "STACKIT", _openai),
    **_pair(f"{INTEGRATIONS}.perplexity", "Perplexity", _perplexity, "encoding_format"),
    **_pair(f"{INTEGRATIONS}.vllm", "VLLM", _vllm, "extra_parameters"),
    ("haystack", "AzureOpenAITextEmbedder"): KnownClass(_azure_openai, _AZURE_READS, _CLIENTS, "", 1, _AZURE_IGNORES),
    ("haystack", "AzureOpenAIDocumentEmbedder"): KnownClass(
        _azure_openai, _AZURE_READS, _CLIENTS, "", ("batch_size", 32), _AZURE_IGNORES
    ),
}
