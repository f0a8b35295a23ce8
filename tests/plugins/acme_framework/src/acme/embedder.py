"""The embedders of Acme, who compute them from a digest to save the network."""

from __future__ import annotations

import hashlib

OFFICIAL_URL = "https://api.acme.example/v1"


class Embedder:
    """Embeds passages and questions.

    Args:
        model_name: Which model is asked.
        api_key: Who pays.
        base_url: Which server is asked.
        prefix: Put before every text.

    Attributes:
        billed: Number of texts that were paid for.
    """

    def __init__(self, model_name: str, *, api_key: str = "", base_url: str = OFFICIAL_URL, prefix: str = "") -> None:
        self.model_name = model_name
        self.api_key = api_key
        self.base_url = base_url
        self.prefix = prefix
        self.billed = 0

    def encode_passages(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of passages."""
        return [self._vector("passage", text) for text in texts]

    def encode_question(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return self._vector("question", text)

    async def encode_passages_async(self, texts: list[str]) -> list[list[float]]:
        """Async twin of `encode_passages`."""
        return self.encode_passages(texts)

    async def encode_question_async(self, text: str) -> list[float]:
        """Async twin of `encode_question`."""
        return self.encode_question(text)

    def _vector(self, kind: str, text: str) -> list[float]:
        self.billed += 1
        asked = f"{self.base_url}\0{self.model_name}\0{kind}\0{self.prefix}{text}"
        digest = hashlib.sha256(asked.encode("utf-8", "surrogatepass")).digest()
        return [byte / 100 - 1 for byte in digest[:8]]
