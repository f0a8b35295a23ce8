"""A made-up framework with sync methods only."""

from __future__ import annotations


class AcmeEmbedder:
    """What every embedder of the framework is."""

    def embed_many(self, texts):
        raise NotImplementedError

    def embed_question(self, text):
        raise NotImplementedError
