"""Google's SDK for Gemini and Vertex AI: `models.embed_content` and `aio.models.embed_content` of its client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.genai import types
from google.genai._api_client import BaseApiClient
from google.genai.client import AsyncClient, Client
from google.genai.models import AsyncModels, Models
from pydantic import ValidationError

from embedonce.identification import providers, query_of, routed_by
from sdks_embedonce.calls import Asked, BypassError, Method, Paid, name_in
from sdks_embedonce.http import added_by, plain_only, together
from sdks_embedonce.twins import Sdk, held

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from embedonce import Identity
    from sdks_embedonce.calls import Role

_ROLES: dict[str, Role] = {"RETRIEVAL_DOCUMENT": "document", "RETRIEVAL_QUERY": "query"}
# Where requests hold texts.
_CONTENTS = frozenset(("requests", "instances", "content"))


class EmbedContent(Method):
    """`embed_content` of the resource `models`."""

    texts = "contents"
    known = frozenset(("model", "config"))

    def identity(self, owner: Any, given: Mapping[str, Any]) -> Identity:
        """Return what decides the vectors of a call: its arguments, and where it goes."""
        model = name_in(given, "model")
        if "contents" in given:
            _check_contents(_listed(given["contents"]), model, is_vertex=_is_vertex(owner))
        settings = _settings(given)
        task = settings.pop("task_type", "TASK_TYPE_UNSPECIFIED")
        called: types.HttpOptions = settings.pop("http_options", None) or types.HttpOptions()
        api = owner._api_client
        always: types.HttpOptions = api._http_options
        headers, query = _added_by_http(api, is_async=isinstance(owner, AsyncModels))
        bodies = {"extra_body": always.extra_body, "config_body": called.extra_body}
        for body in filter(None, bodies.values()):
            if not _CONTENTS.isdisjoint(body):
                msg = f"extra_body replaces {min(_CONTENTS & set(body))!r}"
                raise BypassError(msg)
        url = called.base_url or always.base_url
        scope = called.base_url_resource_scope or always.base_url_resource_scope
        return providers.google(
            model,
            vertex=_is_vertex(owner),
            dimensions=settings.pop("output_dimensionality", None),
            task=None if task in _ROLES else task,
            endpoint=url,
            api_version=called.api_version or always.api_version,
            project=api.project,
            location=api.location,
            routed_by=routed_by(together(headers, always.headers, called.headers), url),
            # Else the URL has the version of the interface, the project and the location in it.
            scope="collection" if scope == types.ResourceScope.COLLECTION else None,
            query=query,
            **{name: plain_only(body) for name, body in bodies.items() if body},
            **plain_only(settings),
        )

    def role(self, given: Mapping[str, Any]) -> Role:
        """Return the role of the texts, which is what they are embedded for."""
        return _ROLES.get(_settings(given).get("task_type", ""), "document")

    def texts_in(self, value: Any) -> tuple[list[str], bool]:
        """Return the texts of contents that are nothing but a text each."""
        found = [_text_in(each) for each in _listed(value)]
        texts = [text for text in found if text is not None]
        if not texts or len(texts) < len(found):
            msg = "its argument 'contents' is not a text or a list of texts"
            raise BypassError(msg)
        return texts, not isinstance(value, list)

    def request(self, asked: Asked, some: list[str]) -> dict[str, Any]:
        """Return the arguments of a request, with contents as they were given."""
        if asked.is_one:
            return dict(asked.arguments)
        contents = dict(zip(asked.texts, asked.given["contents"], strict=True))
        return {**asked.arguments, "contents": [contents[text] for text in some]}

    def vectors(self, response: Any, given: Mapping[str, Any]) -> list[Any]:
        """Return the vectors of a response."""
        del given
        return [each.values for each in response.embeddings or ()]

    def response(self, vectors: NDArray[Any], asked: Asked, paid: list[Paid]) -> types.EmbedContentResponse:
        """Return a response with the statistics and the characters of what was paid."""
        is_vertex = _is_vertex(asked.owner)
        statistics = {
            text: answered.statistics
            for each in paid
            for text, answered in zip(each.texts, each.response.embeddings or (), strict=False)
        }
        embeddings = []
        for text, vector in zip(asked.texts, vectors, strict=True):
            # A text that occurs twice is paid for once.
            if is_vertex and text not in statistics:
                statistics[text] = types.ContentEmbeddingStatistics(token_count=0)
            embeddings.append(types.ContentEmbedding(values=vector.tolist(), statistics=statistics.pop(text, None)))
        billed = [each.response.metadata for each in paid if each.response.metadata is not None]
        metadata = None
        if billed or (is_vertex and not paid):
            characters = sum(each.billable_character_count or 0 for each in billed)
            metadata = types.EmbedContentMetadata(billable_character_count=characters)
        if paid:
            last: types.EmbedContentResponse = paid[-1].response
        else:
            last = types.EmbedContentResponse(sdk_http_response=types.HttpResponse(headers={}))
        return last.model_copy(update={"embeddings": embeddings, "metadata": metadata})


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the config of a call sets, by the names of its fields.

    Raises:
        BypassError: It is not a config.
    """
    config = given.get("config")
    if config is None:
        return {}
    try:
        config = types.EmbedContentConfig.model_validate(config)
    except ValidationError:
        msg = "its config is not one of embed_content"
        raise BypassError(msg) from None
    values = {name: getattr(config, name) for name in type(config).model_fields}
    return {name: value for name, value in values.items() if value is not None}


def _added_by_http(api: Any, *, is_async: bool) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the headers and the query that the HTTP client adds to those of the SDK."""
    if is_async and api._use_aiohttp():
        session = getattr(api._http_options, "aiohttp_client", None)
        headers = {} if session is None else session.headers
        return headers, query_of(api._async_client_session_request_args.get("params"))
    return added_by(api._async_httpx_client if is_async else api._httpx_client)


def _is_vertex(owner: Any) -> bool:
    return bool(owner._api_client.vertexai)


def _listed(contents: Any) -> list[Any]:
    return contents if isinstance(contents, list) else [contents]


def _check_contents(contents: list[Any], model: str, *, is_vertex: bool) -> None:
    """Refuse contents that do not have a vector each.

    Raises:
        BypassError: They do not.
    """
    if is_vertex and any(_text_in(each) == "" for each in contents):
        msg = "an empty text has no vector on Vertex AI"
        raise BypassError(msg)
    name = model if is_vertex else model.removeprefix("models/")
    # The SDK takes strings for parts of one content, unless the model is an older one.
    is_older = name == "gemini-embedding-001" or not any(each in name for each in ("gemini", "maas"))
    if len(contents) > 1 and not is_older and (is_vertex or any(_is_part(each) for each in contents)):
        msg = "its model has one vector for several texts"
        raise BypassError(msg)


def _is_part(content: Any) -> bool:
    """True for what is not a content of its own, but a part of one."""
    return isinstance(content, str | types.Part)


def _text_in(content: Any) -> str | None:
    """Return the text of a content or a part that is nothing but one text; None for any other."""
    if isinstance(content, dict) and "parts" not in content:
        # The SDK takes it for a part, or refuses it, depending on what is beside it.
        return None
    content = _plain(content)
    if isinstance(content, dict) and content.keys() <= {"parts", "role"} and content.get("role") in (None, "user"):
        parts = content.get("parts")
        content = _plain(parts[0]) if isinstance(parts, list) and len(parts) == 1 else None
        # A string is a part in a list, but not here.
        content = content if isinstance(content, dict) else None
    elif isinstance(content, list) and len(content) == 1:
        content = _plain(content[0])
    if isinstance(content, dict) and content.keys() == {"text"}:
        content = content["text"]
    return content if isinstance(content, str) else None


def _plain(content: Any) -> Any:
    return content.model_dump(exclude_none=True) if isinstance(content, types.Content | types.Part) else content


def _shows_all(value: Any) -> bool:
    return type(value._api_client) is BaseApiClient


_METHODS = {"embed_content": EmbedContent()}
SDK = Sdk(
    __name__,
    {
        Client: {"models": held, "aio": held},
        AsyncClient: {"models": held},
        Models: _METHODS,
        AsyncModels: _METHODS,
    },
    shows_all=_shows_all,
)
