"""What embedonce wants to reach; printed beside each measured figure, asserted nowhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure and what it should be.

    Attributes:
        figure: What is measured.
        sign: `<=` or `>=`.
        bound: The number it is compared with.
        unit: `x` for ratios, else what the numbers count.
    """

    figure: str
    sign: str
    bound: float
    unit: str = "x"

    def reached(self, value: float) -> bool:
        """True if a measured value is good enough."""
        return value <= self.bound if self.sign == "<=" else value >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.sign == '<=' else '≥'} {self.bound:,g} {'×' if self.unit == 'x' else self.unit}"


GOALS: dict[str, Goal] = {
    "hits-large": Goal("warm hits, array, large batch / floor", "<=", 1.25),
    "hits-middle": Goal("warm hits, array, batch of 100 / floor", "<=", 1.4),
    "hits-single": Goal("warm hits, array, one text / floor", "<=", 2),
    "lmdb-large": Goal("warm hits, large batch / LMDB's unverified gets", "<=", 1),
    "lmdb-middle": Goal("warm hits, batch of 100 / LMDB's unverified gets", "<=", 1),
    "langchain": Goal("LangChain hits / (floor + tolist)", "<=", 1.1),
    "langchain-own": Goal("LangChain's own class on LocalFileStore / LangChain hits", ">=", 12),
    "llamaindex": Goal("LlamaIndex hits / (floor + tolist + LlamaIndex with a no-op embedder)", "<=", 1.3),
    "haystack": Goal("Haystack hits / (floor + tolist + Haystack with a no-op embedder)", "<=", 1.3),
    "writing": Goal("misses beyond the embedder / (lists to array + raw sequential write)", "<=", 2),
    "bytes": Goal("bytes on disk per vector (1536-d float32)", "<=", 6250, "B"),
    "lookups": Goal("lookups per second, largest store / smallest store", ">=", 0.8),
    "memory": Goal("resident memory per key beyond mapped files", "<=", 20, "B"),
    "open": Goal("opening the largest store, first hit", "<=", 200, "ms"),
    "stall": Goal("longest stall of the event loop during aembed, hits, every codec", "<=", 20, "ms"),
    "stall-misses": Goal("the same, misses, every codec, async and sync embedders", "<=", 20, "ms"),
    "stall-bytes": Goal("the same, byte stores, hits and misses", "<=", 20, "ms"),
    "join": Goal("waiting for texts that another thread embeds, beyond its end / embedding them once", "<=", 1),
    "join-async": Goal("waiting for texts that another task embeds, beyond its end / embedding them once", "<=", 1),
    "s3-time": Goal("S3: object per key / embedonce, time to read", ">=", 50),
    "s3-requests": Goal("S3: object per key / embedonce, requests to read", ">=", 1000),
    "import": Goal("import embedonce / import numpy", "<=", 1.3),
}
