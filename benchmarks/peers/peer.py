"""What the workloads ask of a peer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


class Peer(Protocol):
    """Something that keeps vectors by text.

    Attributes:
        name: As it stands in reports.
        package: The distribution whose version is reported, "" for the standard library.
        gives_lists: True if `get` answers with lists of floats.
        is_slow: True if it needs something like a millisecond for each text.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    gives_lists: ClassVar[bool]
    is_slow: ClassVar[bool]

    def __init__(self, folder: Path, dimensions: int) -> None:
        """Open a store in a folder of its own.

        Raises:
            ImportError: What it needs is not installed.
        """

    def put(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        """Keep one row for each text."""

    def get(self, texts: list[str]) -> Any:
        """Return a matrix or lists, one row for each text; all of them have been put."""

    def close(self) -> None:
        """Let go of files."""


class Answers:
    """A model whose answers are given beforehand."""

    def __init__(self) -> None:
        self._rows: Mapping[str, list[float]] = {}

    def give(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        """Say what it answers from now on, and nothing else."""
        self._rows = dict(zip(texts, matrix.tolist(), strict=True))

    def forget(self) -> None:
        """Answer nothing any more: whoever asks has missed."""
        self._rows = {}

    def lists(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of texts.

        Raises:
            KeyError: One was not given.
        """
        return [self._rows[text] for text in texts]
