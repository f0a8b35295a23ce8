"""What the workloads ask of a peer."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
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
    """What stands behind a framework's embedder.

    Attributes:
        model: Gives the vectors of texts; None if nobody may ask, since all texts are hits.
    """

    def __init__(self) -> None:
        self.model: Callable[[list[str]], NDArray[np.float32]] | None = None

    @contextmanager
    def given(self, texts: list[str], matrix: NDArray[np.float32]) -> Iterator[None]:
        """Answer with these vectors for a while."""
        row_of = {text: row for row, text in enumerate(texts)}
        self.model = lambda some: matrix[[row_of[text] for text in some]]
        yield
        self.model = None

    def lists(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of texts.

        Raises:
            AssertionError: Nobody may ask.
        """
        answer: list[list[float]] = self.asked(texts).tolist()
        return answer

    def asked(self, texts: list[str]) -> NDArray[np.float32]:
        """Do the same with an array.

        Raises:
            AssertionError: Nobody may ask.
        """
        if self.model is None:
            msg = f"{len(texts)} texts were not in the cache"
            raise AssertionError(msg)
        return self.model(texts)
