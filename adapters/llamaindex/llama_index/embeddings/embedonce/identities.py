"""What is known of LlamaIndex's embedding models; see `embedonce.identification`."""

from __future__ import annotations

from dataclasses import replace
from inspect import unwrap
from typing import TYPE_CHECKING, Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from typing_extensions import override

from embedonce.errors import IdentityError
from embedonce.identification import Describer, Description, Requests, Same, UnclearSettingError, request_size
from embedonce.plugins.host import plugins
from llama_index.embeddings.embedonce.providers import ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping

_OWN_CACHE = (
    "its own `embeddings_cache` is set, which distinguishes neither models nor roles and may return vectors of others; "
    "set it to None"
)
_LANGCHAIN = "LangchainEmbedding"
_BASE = "llama_index.core.base."


class _LlamaIndexDescriber(Describer):
    """Describes what is inside a `LangchainEmbedding` by asking the plugin of that framework."""

    def _describe(self, embedder: object) -> Description:
        inside = _langchain_inside(embedder)
        if inside is None:
            return super()._describe(embedder)
        if not _is_langchain(type(embedder)):
            msg = f"it is a subclass of {_LANGCHAIN}, which may do anything with the embedder inside it"
            raise UnclearSettingError(msg)
        identity = plugins().identify(inside)
        if identity is None:
            reason = f"the {type(inside).__name__} inside it is not an embedder whose vectors may be cached"
            return Description(None, not_cacheable=reason)
        # Not the namespace of the embedder inside: LangChain may split texts that its own adapter tells apart.
        # What LangChain's own adapter says of this class, whose async method may send documents as queries.
        is_sync_only = identity.name.startswith("bedrock/") and not identity.symmetric
        return Description(identity.with_additions({"through": "langchain"}), is_sync_only=is_sync_only)

    @override
    def fingerprint(self, embedder: object) -> object:
        inside = _langchain_inside(embedder)
        if inside is None:
            return super().fingerprint(embedder)
        try:
            identity = self.describe(embedder).identity
        except IdentityError:
            return (type(embedder), _refuses(embedder), Same(inside))
        # Without what was read from files: a model that is loaded stays as it is when its files change.
        seen = identity and (identity.name, [pair for pair in identity.written if not pair[0].endswith("files")])
        return (type(embedder), _refuses(embedder), seen, super().fingerprint(inside))

    def requests(self, embedder: object, arguments: Mapping[str, Any] | None = None) -> Requests | None:
        """See `Describer`; the async methods of the base class send all requests of a call, or those of all workers."""
        found = super().requests(embedder, arguments or {})
        if found is None or not _is_of_base(embedder, "aget_text_embedding_batch"):
            return found
        workers = request_size(getattr(embedder, "num_workers", None), 1)
        return replace(found, at_once_async=workers if workers > 1 else None, is_divisible=True)

    def _requests_of_unknown(self, embedder: object) -> Requests | None:
        if _langchain_inside(embedder) is not None or _is_of_base(embedder, "_get_text_embeddings"):
            # Its batches are not requests: it asks another embedder, or embeds one text after the other.
            return None
        return super()._requests_of_unknown(embedder)


def _is_of_base(embedder: object, method: str) -> bool:
    """Tell whether a method is that of LlamaIndex's base class."""
    # Not compared as attributes: a method that LlamaIndex decorates is another object at each access.
    defined_by = next((kind for kind in type(embedder).__mro__ if method in kind.__dict__), None)
    return defined_by is not None and defined_by.__module__.startswith(_BASE)


def _is_langchain(kind: type) -> bool:
    return kind.__name__ == _LANGCHAIN and f"{kind.__module__}.".startswith("llama_index.embeddings.langchain.")


def _langchain_inside(embedder: object) -> Any:
    if not any(map(_is_langchain, type(embedder).__mro__)):
        return None
    return (getattr(embedder, "__pydantic_private__", None) or {}).get("_langchain_embedding")


def _refuses(embedder: object) -> str:
    return _OWN_CACHE if getattr(embedder, "__dict__", {}).get("embeddings_cache") is not None else ""


describer = _LlamaIndexDescriber(
    ROWS,
    package_depth=3,
    bases=("llama_index.core",),
    placeholders=("unknown",),
    refuses=_refuses,
)


_OF_DOCUMENTS = ("aget_text_embedding", "aget_text_embedding_batch", "_aget_text_embedding", "_aget_text_embeddings")


def has_sync_methods_only(model: BaseEmbedding) -> bool:
    """True if the async methods for documents are LlamaIndex's own, which call the sync ones on the event loop.

    The cache calls those in a thread: the answer is kept if the task is cancelled meanwhile.
    """
    # LlamaIndex wraps what subclasses inherit.
    return all(unwrap(getattr(type(model), name)) is unwrap(getattr(BaseEmbedding, name)) for name in _OF_DOCUMENTS)
