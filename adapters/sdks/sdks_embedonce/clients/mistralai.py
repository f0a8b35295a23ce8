"""Mistral's SDK: `embeddings.create` and `embeddings.create_async` of its client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mistralai.client import Mistral
from mistralai.client.embeddings import Embeddings
from mistralai.client.models import EmbeddingResponse, EmbeddingResponseData, UsageInfo

from embedonce.identification import is_providers_own, providers, routed_by
from sdks_embedonce.answers import in_order, used
from sdks_embedonce.calls import Asked, BypassError, Method, Paid, name_in
from sdks_embedonce.http import added_by, plain_only, together
from sdks_embedonce.twins import Sdk, held

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from embedonce import Identity

_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")


class Create(Method):
    """`create` of the resource `embeddings`, or `create_async`.

    Args:
        client: Where the configuration of the SDK has the HTTP client that it uses.
    """

    texts = "inputs"
    known = frozenset(
        (
            *("model", "metadata", "output_dimension", "output_dtype", "encoding_format"),
            *("retries", "server_url", "timeout_ms", "http_headers"),
        )
    )

    def __init__(self, client: str) -> None:
        self._client = client

    def identity(self, owner: Any, given: Mapping[str, Any]) -> Identity:
        """Return what decides the vectors of a call: its arguments, and where it goes."""
        configuration = owner.sdk_configuration
        model, metadata = name_in(given, "model"), given.get("metadata")
        url = (given.get("server_url") or configuration.get_server_details()[0]).rstrip("/")
        headers, query = added_by(getattr(configuration, self._client))
        settings = {
            # Not the `dimensions` that clients of OpenAI's protocol send to this server.
            "output_dimension": given.get("output_dimension"),
            "output_dtype": None if given.get("output_dtype") == "float" else given.get("output_dtype"),
            # Mistral itself only keeps them; a gateway may choose a model by them.
            "metadata": plain_only(metadata) if metadata and not is_providers_own(url) else None,
            "query": query,
            "routed_by": routed_by(together(headers, given.get("http_headers")), url),
        }
        return providers.mistral(model, endpoint=f"{url}/v1").with_parameters(settings)

    def check(self, given: Mapping[str, Any]) -> None:
        """Refuse vectors that the SDK cannot read."""
        if given.get("encoding_format") not in (None, "float"):
            msg = "its encoding_format is not 'float'"
            raise BypassError(msg)

    def vectors(self, response: Any, given: Mapping[str, Any]) -> list[Any]:
        """Return the vectors of a response."""
        del given
        return [each.embedding for each in in_order(response.data)]

    def response(self, vectors: NDArray[Any], asked: Asked, paid: list[Paid]) -> EmbeddingResponse:
        """Return a response with the usage of what was paid."""
        counted: dict[str, Any] = {name: used(paid, name) for name in _TOKENS}
        data = [
            EmbeddingResponseData(object="embedding", embedding=vector.tolist(), index=index)
            for index, vector in enumerate(vectors)
        ]
        if not paid:
            usage, model = UsageInfo(**counted), asked.given["model"]
            return EmbeddingResponse(id="", object="list", model=model, usage=usage, data=data)
        last: EmbeddingResponse = paid[-1].response
        return last.model_copy(update={"data": data, "usage": last.usage.model_copy(update=counted)})


SDK = Sdk(
    __name__,
    {
        Mistral: {"embeddings": held},
        Embeddings: {"create": Create("client"), "create_async": Create("async_client")},
    },
)
