"""OpenAI's models, on its own servers, on Azure and wherever else its protocol is spoken."""

from __future__ import annotations

from typing import Any

from embedonce.identification import Description, KnownClass, Values, endpoint_of, newlines_to_spaces, providers, unless


def _tokens(values: Values, *, trusted: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return parameters and what becomes of the text, for the classes that tokenise on the client's side.

    `trusted` says that the server is sure to understand the tokens as the text that they stand for. Any other
    server may look them up in a vocabulary of its own, so there the tokens are part of the identity.
    """
    if values["check_embedding_ctx_length"] is False:
        return {}, {}
    model, length = values["model"], values["embedding_ctx_length"]
    name = values["tiktoken_model_name"] or model
    own = "" if name == model else f":{name}"
    parameters: dict[str, Any] = {"context_length": unless(8191, length)}
    if values["tiktoken_enabled"] is False:
        # Encoded and decoded again, which a vocabulary may do with losses.
        parameters["tokenizer"] = f"transformers{own}"
        # No tokenizer needs more than 16 tokens for a byte, even after Unicode normalisation.
        return parameters, {"whole_up_to": length // 16}
    parameters["tokenizer"] = None if trusted else f"tiktoken{own}"
    # `disallowed_special` only decides which texts are refused.
    parameters["allowed_special"] = values["allowed_special"]
    # A token is at least one byte long.
    text: dict[str, Any] = {"whole_up_to": length}
    if str(model).endswith("001"):
        text["effective_text"] = newlines_to_spaces
    return parameters, text


def _requested(values: Values) -> dict[str, Any]:
    return {
        "dimensions": values["dimensions"],
        "request": values["model_kwargs"],
        "query": values["default_query"],
    }


def _openai(values: Values) -> Description:
    endpoint = endpoint_of(values, "openai_api_base", "$OPENAI_API_BASE", "$OPENAI_BASE_URL")
    names = (values["model"], values["tiktoken_model_name"] or values["model"])
    same = names[0] == names[1] or all(map(providers.one_vocabulary, names))
    tokens, text = _tokens(values, trusted=providers.is_official(endpoint) and same)
    return Description(providers.openai(values["model"], **_requested(values), endpoint=endpoint, **tokens), **text)


def _azure_openai(values: Values) -> Description:
    # The class's default model name says nothing about the deployment, but it chooses the vocabulary.
    trusted = providers.one_vocabulary(values["tiktoken_model_name"] or values["model"])
    tokens, text = _tokens(values, trusted=trusted)
    # A client whose URL names no deployment sends the request to the one named like the model.
    given = None if any(each is not None for each in values["urls"]) else values["deployment"]
    identity = providers.azure_openai(
        values["model"],
        url=endpoint_of(values, "azure_endpoint", "openai_api_base", "$AZURE_OPENAI_ENDPOINT"),
        deployment=given,
        **_requested(values),
        exact=trusted,
        **tokens,
    )
    return Description(identity, **text)


_OPENAI_READS = (
    "model dimensions model_kwargs default_query check_embedding_ctx_length embedding_ctx_length tiktoken_enabled "
    "tiktoken_model_name allowed_special openai_api_base"
)
OPENAI_URLS = "client._client.base_url async_client._client.base_url"
_OPENAI = KnownClass(_openai, _OPENAI_READS, OPENAI_URLS, "OPENAI_API_BASE OPENAI_BASE_URL", ("chunk_size", 1000))
_AZURE_READS = f"{_OPENAI_READS} azure_endpoint deployment"
_AZURE_OPENAI = KnownClass(_azure_openai, _AZURE_READS, OPENAI_URLS, "AZURE_OPENAI_ENDPOINT", ("chunk_size", 2048))

ROWS = {
    ("langchain_openai", "OpenAIEmbeddings"): _OPENAI,
    ("langchain_openai", "AzureOpenAIEmbeddings"): _AZURE_OPENAI,
    ("langchain_azure_ai", "AzureAIOpenAIApiEmbeddingsModel"): _AZURE_OPENAI,
    ("langchain_community", "OpenAIEmbeddings"): _OPENAI,
    ("langchain_community", "AzureOpenAIEmbeddings"): _AZURE_OPENAI,
}
