"""Components that embedonce does not know, as users write them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from haystack import Document, component, default_to_dict
from haystack.components.embedders import MockDocumentEmbedder, MockTextEmbedder
from haystack.core.serialization import component_to_dict
from haystack.utils import Secret


class _Runs:
    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        return {"documents": documents}


@component
class Plain(_Runs):
    """Keeps each parameter under its name and leaves the rest to Haystack."""

    def __init__(self, model: str = "m", depth: int = 1, token: Secret | None = None, batch_size: int = 8) -> None:
        self.model = model
        self.depth = depth
        self.token = token
        self.batch_size = batch_size
        self.warmed_up = False
        self.lock = threading.Lock()

    def warm_up(self) -> None:
        message = "must not be called"
        raise AssertionError(message)


@component
class Hidden(_Runs):
    """Keeps a parameter under another name: Haystack would write the default down."""

    def __init__(self, model: str = "m") -> None:
        self.name_of_the_model = model


@component
class Private(_Runs):
    """Keeps a parameter under its name with an underscore."""

    def __init__(self, model: str = "m") -> None:
        self._model = model


@component
class Rest(_Runs):
    """Takes anything."""

    def __init__(self, model: str = "m", **more: Any) -> None:
        self.model = model
        self.settings = more


@component
class Changing(_Runs):
    """Changes itself when it is written down."""

    def __init__(self, model: str = "m", options: dict[str, Any] | None = None) -> None:
        self.model = model
        self.options = options or {}

    def to_dict(self) -> dict[str, Any]:
        for name, value in self.options.items():
            self.options[name] = str(value)
        return default_to_dict(self, model=self.model, options=self.options)


@component
class Further(Changing):
    """Adds a parameter to a `to_dict` that does not know it."""

    def __init__(self, model: str = "m", options: dict[str, Any] | None = None, layer: int = 1) -> None:
        super(Further, self).__init__(model, options)  # noqa: UP008 - the decorator replaces the class
        self.layer = layer


@component
class Nameless(_Runs):
    """Has parameters, of which none names a model."""

    def __init__(self, depth: int = 1) -> None:
        self.depth = depth


@component
class Outer(_Runs):
    """Holds another component."""

    def __init__(self, embedder: Any) -> None:
        self.embedder = embedder

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self, embedder=component_to_dict(self.embedder, "embedder"))


@component
class LateChunking(_Runs):
    """Lets vectors depend on the other texts of a call."""

    def __init__(self, model: str = "m", *, late_chunking: bool = True) -> None:
        self.model = model
        self.late_chunking = late_chunking


@component
class Images(_Runs):
    """Embeds files."""

    def __init__(self, model: str = "m", file_path_meta_field: str = "path") -> None:
        self.model = model
        self.file_path_meta_field = file_path_meta_field


@component
class MyMock(MockDocumentEmbedder):
    """A subclass of a known class."""

    STYLE = "a"

    def __init__(self, tone: str = "x", **more: Any) -> None:
        super(MyMock, self).__init__(**more)  # noqa: UP008 - the decorator replaces the class
        self.tone = tone


@component
class MyTextMock(MockTextEmbedder):
    """A subclass of a known class for texts."""


@dataclass
class WithSummary(Document):
    """A document of a user's own."""

    summary: str = ""
