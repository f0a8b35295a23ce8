"""What the tests of the two cached components share."""

from __future__ import annotations

from lazily import lazily

hs = lazily(
    "haystack",
    "haystack.components.embedders",
    "haystack.components.retrievers",
    "haystack.core.errors",
    "haystack.dataclasses",
    "haystack.document_stores.in_memory",
    "haystack.utils",
    "haystack_support",
    "openai_service",
    "haystack_integrations.components.embedders.embedonce",
)


def sockets(wrapped):
    inputs = {each.name: (each.type, each.default_value) for each in wrapped.__haystack_input__._sockets_dict.values()}
    return inputs, {each.name: each.type for each in wrapped.__haystack_output__._sockets_dict.values()}
