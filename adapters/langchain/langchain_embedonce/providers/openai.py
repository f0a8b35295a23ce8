"""OpenAI's models, on its own servers, on Azure and wherever else its protocol is spoken."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from embedonce.identification.rows import (
    Description,
    Row,
    Values,
    endpoint_of,
    identity_of,
    newlines_to_spaces,
    unless,
)
from embedonce.settings import UnclearSettingError


def _openai_settings(values: Values, *, trusted: bool) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return model, parameters and what becomes of the text, for the classes that tokenise on the client's side.

    `trusted` says that the server is sure to understand the tokens as the text that they stand for. Any other
    server may look them up in a vocabulary of its own, so there the tokens are part of the identity.
    """
    model = values["model"]
    sent = {"model": model, **(values["model_kwargs"] or {})}
    dimensions = sent.pop("dimensions", None) if values["dimensions"] is None else values["dimensions"]
    for name in ("dimensions", "encoding_format", "user", "extra_headers"):
        sent.pop(name, None)
    parameters = {
        "dimensions": dimensions,
        "query": {k: v for k, v in dict(values["default_query"] or {}).items() if k != "api-version"},
    }
    effective_model = sent.pop("model")
    parameters["model_kwargs"] = sent
    text: dict[str, Any] = {}
    if values["check_embedding_ctx_length"] is not False:
        length = values["embedding_ctx_length"]
        name = values["tiktoken_model_name"] or model
        own = "" if name == model else f":{name}"
        if values["tiktoken_enabled"] is False:
            # Encoded and decoded again, which a vocabulary may do with losses.
            parameters["tokenizer"] = f"transformers{own}"
            # No tokenizer needs more than 16 tokens for a byte, even after Unicode normalisation.
            text["whole_up_to"] = length // 16
        else:
            parameters["tokenizer"] = None if trusted else f"tiktoken{own}"
            # `disallowed_special` only decides which texts are refused.
            parameters["allowed_special"] = values["allowed_special"]
            # A token is at least one byte long.
            text["whole_up_to"] = length
            if str(model).endswith("001"):
                text["effective_text"] = newlines_to_spaces
        parameters["context_length"] = unless(8191, length)
    return effective_model, parameters, text


def _one_vocabulary(model: object) -> bool:
    return isinstance(model, str) and model.startswith("text-embedding-")


_OPENAI_URL = "https://api.openai.com/v1"


def _openai(values: Values) -> Description:
    endpoint = endpoint_of(values, "openai_api_base", "$OPENAI_API_BASE", "$OPENAI_BASE_URL", official=(_OPENAI_URL,))
    official = endpoint is None
    names = (values["model"], values["tiktoken_model_name"] or values["model"])
    trusted = official and (names[0] == names[1] or all(map(_one_vocabulary, names)))
    model, parameters, text = _openai_settings(values, trusted=trusted)
    parameters["endpoint"] = endpoint
    return Description(identity_of("openai", model, parameters, symmetric=True, exact=official), **text)


_DEPLOYMENT = re.compile(r"(?P<root>.*?)(?:/openai(?:/v1)?)?(?:/deployments/(?P<deployment>[^/]+))?")


def _azure_openai(values: Values) -> Description:
    url = endpoint_of(values, "azure_endpoint", "openai_api_base", "$AZURE_OPENAI_ENDPOINT")
    if not url:
        msg = "neither its client nor its field `azure_endpoint` shows an endpoint"
        raise UnclearSettingError(msg)
    # The class's default model name says nothing about the deployment, but it chooses the vocabulary.
    trusted = _one_vocabulary(values["tiktoken_model_name"] or values["model"])
    model, parameters, text = _openai_settings(values, trusted=trusted)
    scheme, host, path, query, _ = urlsplit(url)
    parts = _DEPLOYMENT.fullmatch(path)
    in_url = parts and parts["deployment"]
    # A client whose URL names no deployment sends the request to the one named like the model.
    given = None if any(each is not None for each in values["urls"]) else values["deployment"]
    deployment = unquote(in_url) if in_url else given or model
    query = urlencode([pair for pair in parse_qsl(query) if pair[0] != "api-version"])
    parameters["endpoint"] = urlunsplit((scheme, host, parts["root"] if parts else path, query, ""))
    return Description(identity_of("azure-openai", deployment, parameters, symmetric=True, exact=trusted), **text)


_OPENAI_READS = (
    "model dimensions model_kwargs default_query check_embedding_ctx_length embedding_ctx_length tiktoken_enabled "
    "tiktoken_model_name allowed_special openai_api_base"
)
OPENAI_URLS = "client._client.base_url async_client._client.base_url"
_OPENAI = Row(_openai, _OPENAI_READS, OPENAI_URLS, "OPENAI_API_BASE OPENAI_BASE_URL", ("chunk_size", 1000))
_AZURE_READS = f"{_OPENAI_READS} azure_endpoint deployment"
_AZURE_OPENAI = Row(_azure_openai, _AZURE_READS, OPENAI_URLS, "AZURE_OPENAI_ENDPOINT", ("chunk_size", 2048))

ROWS = {
    ("langchain_openai", "OpenAIEmbeddings"): _OPENAI,
    ("langchain_openai", "AzureOpenAIEmbeddings"): _AZURE_OPENAI,
    ("langchain_azure_ai", "AzureAIOpenAIApiEmbeddingsModel"): _AZURE_OPENAI,
    ("langchain_community", "OpenAIEmbeddings"): _OPENAI,
    ("langchain_community", "AzureOpenAIEmbeddings"): _AZURE_OPENAI,
}
