"""Embedders as users write them; in a module, because only a class that can be imported has an identity."""

from __future__ import annotations

from typing import Any, ClassVar

from langchain_core.embeddings import FakeEmbeddings
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

SECRET = "s3cr3t-0123456789"


class Custom:
    """An embedder that nobody knows, with any fields."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update({"model": "acme-1", **fields})


class Nameless:
    """An embedder without anything that names its model."""

    def __init__(self) -> None:
        self.dimensions = 8


class Fields(BaseModel):
    """A pydantic embedder with all kinds of fields."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())
    model_name: str = "acme-1"
    pooling: str = "cls"
    api_key: SecretStr = SecretStr(SECRET)
    headers: dict[str, str] = Field(default_factory=lambda: {"x": SECRET})
    _prefix: str = PrivateAttr("p: ")
    _client: Any = PrivateAttr(None)


class Slotted:
    """An embedder without a dictionary."""

    __slots__ = ("model", "pooling", "unset")

    def __init__(self, pooling: str) -> None:
        self.model = "acme-1"
        self.pooling = pooling


class Constant:
    """An embedder whose settings are constants of the class."""

    model = "acme-1"
    prefix = "p: "
    registry: ClassVar[dict[str, Any]] = {"live": object()}


class SeededFake(FakeEmbeddings):
    """A subclass of a known class without own fields."""
