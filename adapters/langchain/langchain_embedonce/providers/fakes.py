"""The stand-ins that LangChain ships."""

from __future__ import annotations

from embedonce.identification import Description, KnownClass, Values, identity_of


def _random(_: Values) -> Description:
    return Description(None, not_cacheable="its vectors are random, new ones at each call")


def _deterministic(values: Values) -> Description:
    parameters = {"dimensions": values["size"]}
    return Description(identity_of("langchain", "DeterministicFakeEmbedding", parameters, symmetric=True, exact=True))


ROWS = {
    ("langchain_core", "FakeEmbeddings"): KnownClass(_random, ""),
    ("langchain_community", "FakeEmbeddings"): KnownClass(_random, ""),
    ("langchain_core", "DeterministicFakeEmbedding"): KnownClass(_deterministic, "size"),
}
