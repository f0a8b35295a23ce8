"""The stand-ins that LangChain ships."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.identification import Description, KnownClass, identity_of

if TYPE_CHECKING:
    from embedonce import Identity


def _random() -> Description:
    return Description(None, not_cacheable="its vectors are random, new ones at each call")


def _deterministic(size: Any) -> Identity:
    parameters = {"dimensions": size}
    return identity_of("langchain", "DeterministicFakeEmbedding", parameters, symmetric=True, exact=True)


ROWS = {
    ("langchain_core", "FakeEmbeddings"): KnownClass(_random),
    ("langchain_community", "FakeEmbeddings"): KnownClass(_random),
    ("langchain_core", "DeterministicFakeEmbedding"): KnownClass(_deterministic),
}
