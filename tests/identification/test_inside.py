"""What a wrapper shows of the embedder inside it, where nothing may reach that embedder."""

from __future__ import annotations

import asyncio
import inspect
from functools import cached_property, partial, partialmethod
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, PrivateAttr

from embedonce import CacheMissError, EmbeddingCache, MemoryStore
from embedonce.identification import attribute_inside


class Slotted:
    __slots__ = ("held",)


class Embedder(Slotted):
    """Has everything that a class may have, and notes when it is asked."""

    size = 3
    client = SimpleNamespace(url="https://acme.test")

    def __init__(self):
        self.asked = []
        self.model = "m"
        self.held = "slot"
        self.other_name = self.embed_image
        self.quickly = partial(self.embed_image, "quickly")
        self.by_function = lambda *given: self.asked.append(given)

    def embed_image(self, *given):
        """Return the vector of an image."""
        self.asked.append(given)
        return [1.0]

    async def aembed_image(self, *given):
        self.asked.append(given)

    @classmethod
    def of_class(cls, embedder):
        embedder.asked.append(cls)

    @staticmethod
    def of_nobody(embedder):
        embedder.asked.append(None)

    partly = partialmethod(embed_image, "partly")

    @property
    def probed(self):
        return self.embed_image("probe")

    @cached_property
    def probed_once(self):
        return self.embed_image("probe")

    def close(self):
        return "closed"


class Answering(Embedder):
    """Answers for any name."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self.embed_image(name)


METHODS = ["embed_image", "aembed_image", "other_name", "quickly", "by_function", "of_class", "of_nobody", "partly"]
COMPUTED = ["probed", "probed_once"]


def inside(embedder, name, mode="replay", **options):
    cache = EmbeddingCache(MemoryStore(), mode=mode)
    return attribute_inside(embedder, name, cache, **options)


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_not_called_in_replay(name):
    embedder = Embedder()
    method = inside(embedder, name)
    with pytest.raises(CacheMissError, match=rf"Embedder\.{name} is not called in mode 'replay'.* inside the wrapper"):
        method(embedder)
    assert embedder.asked == []


@pytest.mark.parametrize("name", COMPUTED)
def test_properties_are_not_asked_in_replay(name):
    embedder = Embedder()
    with pytest.raises(CacheMissError, match=rf"Embedder\.{name} is not asked in mode 'replay'"):
        inside(embedder, name)
    # For those who ask first, or have something else to do without it, it is not there.
    with pytest.raises(AttributeError):
        inside(embedder, name)
    assert embedder.asked == []


def test_what_an_embedder_holds_is_shown_in_replay():
    embedder = Embedder()
    held = {name: inside(embedder, name) for name in ("model", "size", "held", "client", "asked")}
    assert held == {"model": "m", "size": 3, "held": "slot", "client": Embedder.client, "asked": []}
    assert inside(embedder, "close")() == "closed"
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        inside(embedder, "nothing_of_this_name")
    embedder.__dict__["probed_once"] = "computed before"
    assert inside(embedder, "probed_once") == "computed before"


def test_a_property_wins_over_what_its_embedder_holds_under_its_name():
    embedder = Embedder()
    embedder.__dict__["probed"] = "held"
    with pytest.raises(CacheMissError, match="is not asked"):
        inside(embedder, "probed")


class OfPydantic(BaseModel, extra="allow"):
    model: str = "m"
    _alias: Any = PrivateAttr()

    def embed_image(self, *given):
        raise AssertionError(given)


def test_other_names_of_methods_are_found_wherever_pydantic_keeps_them():
    embedder = OfPydantic(further="f")
    embedder._alias = embedder.embed_image
    embedder.another = embedder.embed_image
    assert (inside(embedder, "model"), inside(embedder, "further")) == ("m", "f")
    assert inside(embedder, "model_dump")()["model"] == "m"
    for name in ("embed_image", "_alias", "another"):
        with pytest.raises(CacheMissError, match=f"{name} is not called"):
            inside(embedder, name)("a")


def test_a_class_that_answers_for_any_name_is_not_asked_in_replay():
    embedder = Answering()
    with pytest.raises(CacheMissError, match=r"Answering\.anything is not asked"):
        inside(embedder, "anything")
    assert embedder.asked == []
    assert inside(embedder, "model") == "m"


def test_classes_of_the_framework_are_asked_in_replay():
    embedder = Embedder()
    assert inside(embedder, "embed_image", bases=(__name__,))("a") == [1.0]
    assert inside(embedder, "embed_image", bases=(__name__[:-1],)) != embedder.embed_image


@pytest.mark.parametrize("mode", ["read_write", "read_only", "refresh", "off"])
def test_everything_is_passed_on_in_other_modes(mode):
    embedder = Embedder()
    assert inside(embedder, "embed_image", mode) == embedder.embed_image
    assert inside(embedder, "probed", mode) == [1.0]


def test_a_method_that_is_not_called_looks_like_itself():
    method = inside(Embedder(), "embed_image")
    assert method.__doc__ == "Return the vector of an image."
    assert inspect.signature(method) == inspect.signature(Embedder().embed_image)
    # Before anything is awaited.
    with pytest.raises(CacheMissError):
        asyncio.run(inside(Embedder(), "aembed_image")("a"))
