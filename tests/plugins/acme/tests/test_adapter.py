"""The adapter keeps what embedonce asks of every adapter."""

from __future__ import annotations

import acme
from embedonce.testing import AdapterSuite, CountingEmbedder


class Unknown(acme.Embedder):
    """Asks the suite's model, and nobody can tell which."""

    def __init__(self, behind):
        super().__init__("m")
        self.behind = behind

    def encode_passages(self, texts):
        return self.behind.answer("document", texts)

    def encode_question(self, text):
        return self.behind.answer_one("query", text)

    async def encode_passages_async(self, texts):
        return await self.behind.aanswer("document", texts)

    async def encode_question_async(self, text):
        return await self.behind.aanswer_one("query", text)


class Known(Unknown):
    """Asks the suite's model, and says which."""

    @property
    def embedonce_identity(self):
        return self.behind.identity


class TestAdapter(AdapterSuite):
    plugin = "acme"
    kind = acme.Embedder

    def embedder(self, model):
        return Known(model) if model.is_known else Unknown(model)

    def embedder_of_fields(self, **fields):
        return acme.Embedder(**fields)

    def embed_documents(self, wrapped, texts):
        return wrapped.encode_passages(texts)

    def embed_query(self, wrapped, text):
        return wrapped.encode_question(text)

    async def aembed_documents(self, wrapped, texts):
        return await wrapped.encode_passages_async(texts)

    async def aembed_query(self, wrapped, text):
        return await wrapped.encode_question_async(text)


def test_what_stands_inside_another_embedder_is_identified():
    """By the hook `embedonce_identify`."""
    inside = acme.Embedder("large", api_key="a secret", prefix="passage: ")
    assert str(CountingEmbedder(inside).embedonce_identity) == 'acme/large?prefix="passage: "'
