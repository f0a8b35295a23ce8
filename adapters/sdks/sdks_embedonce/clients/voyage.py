"""Voyage's SDK: `embed` of its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import voyageai
from voyageai.client import Client
from voyageai.client_async import AsyncClient
from voyageai.object import EmbeddingsObject

from embedonce.identification import providers, routed_by
from sdks_embedonce.calls import Asked, BypassError, Method, Paid, name_in
from sdks_embedonce.twins import Attribute, Sdk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from embedonce import Identity

# What the frameworks send for texts of a role. Any other type, and none, is that of documents and queries alike.
_ROLES = {"document": "document", "query": "query"}


class Embed(Method):
    """`embed` of a client."""

    texts = "texts"
    known = frozenset(("model", "input_type", "truncation", "output_dtype", "output_dimension"))

    def identity(self, owner: Any, given: Mapping[str, Any]) -> Identity:
        """Return what decides the vectors of a call: its arguments and the URL of the client."""
        model, input_type = name_in(given, "model"), name_in(given, "input_type", "none")
        if _runs_here(model):
            msg = "its model runs on this machine"
            raise BypassError(msg)
        why = providers.voyage_not_cacheable(model)
        if why:
            raise BypassError(why)
        url = owner._params.get("base_url")
        # A user may have given the SDK sessions of their own.
        sessions = (voyageai.requestssession, voyageai.aiosession.get())
        headers = {name: value for each in sessions for name, value in (getattr(each, "headers", None) or {}).items()}
        return providers.voyage(
            model,
            dimensions=given.get("output_dimension"),
            truncate=given.get("truncation", True),
            output_dtype=given.get("output_dtype", "float"),
            input_type=None if input_type in _ROLES else input_type,
            endpoint=url,
            routed_by=routed_by(headers, url),
        )

    def role(self, given: Mapping[str, Any]) -> Any:
        """Return the role that the input type names."""
        return _ROLES.get(given.get("input_type", ""), "document")

    def vectors(self, response: Any, given: Mapping[str, Any]) -> Any:
        """Return the vectors of a response."""
        del given
        return response.embeddings

    def response(self, vectors: NDArray[Any], asked: Asked, paid: list[Paid]) -> EmbeddingsObject:
        """Return a response with the tokens of what was paid."""
        is_float = asked.given.get("output_dtype", "float") == "float"
        response = EmbeddingsObject()
        response.embeddings = vectors.astype(np.float64 if is_float else np.int64).tolist()
        response.total_tokens = sum(each.response.total_tokens for each in paid)
        return response


def _runs_here(model: str) -> bool:
    try:
        from voyageai.local.helpers import is_local_model
    except ImportError:
        # Older versions run none.
        return False
    return bool(is_local_model(model))


_METHODS: dict[str, Attribute] = {"embed": Embed()}
SDK = Sdk(__name__, dict.fromkeys((Client, AsyncClient), _METHODS))
