"""What LangChain ships besides providers: stand-ins for tests, and a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.identification import At, Description, KnownClass, UnclearSettingError, identity_of

if TYPE_CHECKING:
    from embedonce import Identity


def _random() -> Description:
    return Description(None, not_cacheable="its vectors are random, new ones at each call")


def _deterministic(size: Any) -> Identity:
    parameters = {"dimensions": size}
    return identity_of("langchain", "DeterministicFakeEmbedding", parameters, symmetric=True, exact=True)


def _other_cache(_: Any = At("underlying_embeddings")) -> Identity:
    msg = (
        "it is a cache itself, whose store may hold vectors of another model. Wrap the embedder inside: "
        "embedonce.wrap(embedder.underlying_embeddings, store); what the store of the cache holds is read by "
        "`langchain_embedonce.CacheBackedEmbeddings.from_bytes_store`"
    )
    raise UnclearSettingError(msg)


_OTHER_CACHE = KnownClass(_other_cache)

ROWS = {
    ("langchain_classic", "CacheBackedEmbeddings"): _OTHER_CACHE,
    ("langchain", "CacheBackedEmbeddings"): _OTHER_CACHE,
    ("langchain_core", "FakeEmbeddings"): KnownClass(_random),
    ("langchain_community", "FakeEmbeddings"): KnownClass(_random),
    ("langchain_core", "DeterministicFakeEmbedding"): KnownClass(_deterministic),
}
