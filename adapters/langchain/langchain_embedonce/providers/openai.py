"""OpenAI's models, on its own servers, on Azure and wherever else its protocol is spoken."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from embedonce.identification import (
    At,
    Description,
    Env,
    KnownClass,
    Requests,
    Urls,
    endpoint_of,
    group,
    is_providers_own,
    newlines_to_spaces,
    providers,
    request_size,
    unless,
)


class _Tokens(NamedTuple):
    """How a class tokenises on the client's side, if it does."""

    model: Any
    name: Any = At("tiktoken_model_name")
    checks: Any = At("check_embedding_ctx_length")
    length: Any = At("embedding_ctx_length")
    uses_tiktoken: Any = At("tiktoken_enabled")
    allowed_special: Any = At("allowed_special")

    @property
    def vocabulary(self) -> Any:
        """The name of the model whose vocabulary is used."""
        return self.name or self.model

    def described(self, *, trusted: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return parameters of the identity, and what becomes of the text.

        Args:
            trusted: True if the server certainly understands the tokens as the text that they stand for. Any other
                server may look them up in a vocabulary of its own, so there the tokens are part of the identity.
        """
        if self.checks is False:
            return {}, {}
        own = "" if self.vocabulary == self.model else f":{self.vocabulary}"
        parameters: dict[str, Any] = {"context_length": unless(8191, self.length)}
        if self.uses_tiktoken is False:
            # Encoded and decoded again, which may lose something in some vocabularies.
            parameters["tokenizer"] = f"transformers{own}"
            # No tokenizer needs more than 16 tokens for a byte, even after Unicode normalisation.
            return parameters, {"whole_up_to": self.length // 16}
        parameters["tokenizer"] = None if trusted else f"tiktoken{own}"
        # `disallowed_special` only decides which texts are refused.
        parameters["allowed_special"] = self.allowed_special
        # A token is at least one byte long.
        text: dict[str, Any] = {"whole_up_to": self.length}
        if str(self.model).endswith("001"):
            text["effective_text"] = newlines_to_spaces
        return parameters, text


class _Request(NamedTuple):
    """What a request names besides the model, by the arguments of `providers.openai`."""

    dimensions: Any
    request: Any = At("model_kwargs")


OPENAI_URLS = Urls("client._client.base_url async_client._client.base_url")


def _openai(
    model: Any,
    openai_api_base: Any,
    base: Any = Env("OPENAI_API_BASE"),
    base_url: Any = Env("OPENAI_BASE_URL"),
    urls: Any = OPENAI_URLS,
    request: _Request = group(_Request),
    tokens: _Tokens = group(_Tokens),
    *,
    brings_to_one: bool = False,
) -> Description:
    endpoint = endpoint_of(urls, openai_api_base, base, base_url)
    same = model == tokens.vocabulary or all(map(providers.one_vocabulary, (model, tokens.vocabulary)))
    parameters, text = tokens.described(trusted=providers.is_official(endpoint) and same)
    # OpenAI's own vectors have the length one already; those of other servers need not.
    parameters["normalize"] = (brings_to_one and not providers.is_official(endpoint)) or None
    return Description(providers.openai(model, **request._asdict(), endpoint=endpoint, **parameters), **text)


def _azure_openai(
    model: Any,
    deployment: Any,
    azure_endpoint: Any,
    openai_api_base: Any,
    endpoint: Any = Env("AZURE_OPENAI_ENDPOINT"),
    built_for: Any = At("client._client._azure_deployment"),
    of_azure: Any = At("client._client._api_version"),
    urls: Any = OPENAI_URLS,
    request: _Request = group(_Request),
    tokens: _Tokens = group(_Tokens),
    *,
    brings_to_one: bool = False,
) -> Description:
    in_use = any(each is not None for each in urls)
    url = endpoint_of(urls, azure_endpoint, openai_api_base, endpoint)
    # The class's default model name does not identify the deployment, but it chooses the vocabulary.
    same = providers.one_vocabulary(tokens.vocabulary)
    is_own = bool(url) and is_providers_own(url)
    parameters, text = tokens.described(trusted=same and is_own)
    parameters["normalize"] = (brings_to_one and not is_own) or None
    identity = providers.azure_openai(
        model,
        url=url,
        # A client whose URL names no deployment sends the request to the one named like the model.
        deployment=None if in_use else deployment,
        # One of these classes has a client that is not Azure's.
        below=("deployments" if of_azure else "embeddings") if in_use else "",
        built_for=built_for if in_use else None,
        **request._asdict(),
        exact=same,
        **parameters,
    )
    return Description(identity, **text)


# A request holds no more than 300,000 tokens. Of a text that is split, each part counts as a text.
_CHARACTERS = 4 * 300_000


def _requests(chunk_size: Any) -> Requests:
    return Requests(request_size(chunk_size, 1000), characters=_CHARACTERS)


_OPENAI = KnownClass(_openai, _requests)
_AZURE_OPENAI = KnownClass(_azure_openai, _requests)

ROWS = {
    ("langchain_openai", "OpenAIEmbeddings"): _OPENAI,
    ("langchain_openai", "AzureOpenAIEmbeddings"): _AZURE_OPENAI,
    ("langchain_azure_ai", "AzureAIOpenAIApiEmbeddingsModel"): _AZURE_OPENAI,
    ("langchain_community", "OpenAIEmbeddings"): KnownClass(partial(_openai, brings_to_one=True), _requests),
    ("langchain_community", "AzureOpenAIEmbeddings"): KnownClass(partial(_azure_openai, brings_to_one=True), _requests),
}
