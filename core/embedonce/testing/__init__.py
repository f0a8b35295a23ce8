"""For tests of code that embeds: embedders that need no network, and that count, differ or fail on request."""

from embedonce.testing.embedders import (
    AsymmetricEmbedder,
    CountingEmbedder,
    FlakyEmbedder,
    HashingEmbedder,
    TextEmbedder,
)

__all__ = ["AsymmetricEmbedder", "CountingEmbedder", "FlakyEmbedder", "HashingEmbedder", "TextEmbedder"]
