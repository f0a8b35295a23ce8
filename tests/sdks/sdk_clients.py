"""Clients of SDKs in one form: how each is made and asked, and what its answers hold."""

from __future__ import annotations

import inspect
from typing import ClassVar

from lazily import lazily

cohere = lazily("cohere")
httpx = lazily("httpx")
ollama = lazily("ollama")
voyage = lazily("voyageai", "voyageai.object", "voyageai.error")

KEY = "sk-0123456789abcdef0123"


class Case:
    """One class of clients.

    Attributes:
        kind: The name of the class.
        texts: The argument that holds the texts.
        call: Further arguments of a usual call.
        apart: Calls whose vectors differ from those of the usual one, and from each other.
        equal: Calls whose vectors are those of the usual one.
        bypass: Calls that the cache cannot answer, with a word of the reason.
        odd: Calls whose arguments are of a wrong type.
    """

    package: lazily
    texts = "texts"
    call: ClassVar = {"model": "m"}
    equal = ({},)

    def __init__(self, kind):
        self.kind = kind

    def __str__(self):
        return f"{type(self).__name__}-{self.kind}"

    @property
    def is_async(self):
        return self.kind.startswith("Async")

    @property
    def type(self):
        return getattr(self.package, self.kind)

    async def embed(self, client, given, **arguments):
        """Return the response to a call."""
        asked = client.embed(**{self.texts: given, **self.call, **arguments})
        return await asked if inspect.isawaitable(asked) else asked


class Ollama(Case):
    package = ollama
    texts = "input"
    error = "ResponseError"
    odd = ({"options": 7}, {"model": 7}, {"dimensions": object()})
    apart = ({"model": "n"}, {"dimensions": 4}, {"options": {"num_ctx": 7}}, {"truncate": False})
    equal = ({"keep_alive": 3}, {"truncate": True}, {"options": {"num_thread": 2}}, {"model": "m:latest"})
    bypass = (({"input": ""}, "an empty text"), ({"input": ("a", 7)}, "'input' is not a text or a list of texts"))

    def client(self, url, **settings):
        return self.type(url, headers={"Authorization": f"Bearer {KEY}", **settings.get("headers", {})})

    def redirect(self, client, url):
        client._client.base_url = url

    def vectors(self, response):
        return response.embeddings

    def shown(self, response):
        return response.model_dump()

    def paid(self, response):
        return response.prompt_eval_count


class Cohere(Case):
    package = cohere
    error = "TooManyRequestsError"
    odd = ({"request_options": 7}, {"request_options": {"additional_headers": 7}}, {"truncate": object()})
    call: ClassVar = {"model": "m", "input_type": "search_document"}
    apart = (
        {"model": "n"},
        {"input_type": "search_query"},
        {"input_type": "classification"},
        {"output_dimension": 4},
        {"embedding_types": ["int8"]},
        {"embedding_types": ["ubinary"]},
        {"truncate": "NONE"},
        {"max_tokens": 4},
        {"request_options": {"additional_headers": {"x-route": "b"}}},
    )
    equal = (
        {"truncate": "END"},
        {"embedding_types": ["float"]},
        {"embedding_types": None},
        {"request_options": {"max_retries": 3, "additional_headers": {"traceparent": "00-1-2-03"}}},
    )
    bypass = (
        ({"embedding_types": ["float", "int8"]}, "not exactly one type"),
        ({"embedding_types": ["base64"]}, "not exactly one type"),
        ({"request_options": {"additional_body_parameters": {"model": "n"}}}, "'additional_body_parameters'"),
    )

    def client(self, url, **settings):
        http = httpx.AsyncClient if self.is_async else httpx.Client
        return self.type(KEY, base_url=url, httpx_client=http(headers=settings.get("headers")))

    def redirect(self, client, url):
        client._client_wrapper._base_url = url

    def vectors(self, response):
        by_type = response.embeddings
        return by_type if isinstance(by_type, list) else next(each for each in by_type.model_dump().values() if each)

    def shown(self, response):
        return response.model_dump()

    def paid(self, response):
        return response.meta.billed_units.input_tokens


class CohereV1(Cohere):
    apart = tuple(each for each in Cohere.apart if not each.keys() & {"output_dimension", "max_tokens"})
    call: ClassVar = {**Cohere.call, "embedding_types": ["float"]}
    bypass = (*Cohere.bypass, ({"images": ["data:,"]}, "'images'"))


class Voyage(Case):
    package = voyage
    error = "RateLimitError"
    odd = ({"truncation": object()}, {"output_dimension": object()}, {"model": None})
    call: ClassVar = {"model": "m", "input_type": "document"}
    apart = (
        {"model": "n"},
        {"input_type": "query"},
        {"input_type": None},
        {"output_dimension": 4},
        {"output_dtype": "int8"},
        {"output_dtype": "ubinary"},
        {"truncation": False},
    )
    equal = ({"truncation": True}, {"output_dtype": "float"}, {"output_dtype": None})
    bypass = (({"model": "voyage-context-3"}, "depend on the other texts"),)

    def client(self, url, **settings):
        assert not settings.get("headers")
        return self.type(KEY, base_url=url)

    def redirect(self, client, url):
        client._params["base_url"] = url

    def vectors(self, response):
        return response.embeddings

    def shown(self, response):
        return vars(response)

    def paid(self, response):
        return response.total_tokens


CASES = (
    *(Ollama("Client"), Ollama("AsyncClient")),
    *(Cohere("ClientV2"), Cohere("AsyncClientV2")),
    *(CohereV1("Client"), CohereV1("AsyncClient")),
    *(Voyage("Client"), Voyage("AsyncClient")),
)
