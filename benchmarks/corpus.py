"""Texts and their vectors, of any number, made when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

TEXT_LENGTH = 100
_DIGITS = 8
_BASE = 4096
_WORDS = "the quick brown fox jumps over the lazy dog and asks which of them was embedded before "


@dataclass(frozen=True, slots=True)
class Sample:
    """Texts that are asked for at once.

    Attributes:
        numbers: Which texts of the corpus.
        texts: The texts.
    """

    numbers: NDArray[np.int64]
    texts: list[str]

    def head(self, count: int) -> Sample:
        """Return the first ones."""
        return Sample(self.numbers[:count], self.texts[:count])


class Corpus:
    """Numbered texts; each has a vector of its own, of random numbers as a model would give and of length about 1.

    Args:
        dimensions: Length of the vectors.
        length: Characters of each text.
    """

    def __init__(self, dimensions: int, *, length: int = TEXT_LENGTH) -> None:
        self.dimensions = dimensions
        filling = length - _DIGITS - 1
        self._tail = " " + (_WORDS * (filling // len(_WORDS) + 1))[:filling]
        base = np.random.default_rng(1).standard_normal((_BASE, dimensions), np.float32)
        self._base = base / np.sqrt(np.float32(dimensions))

    def texts(self, numbers: Sequence[int] | NDArray[Any]) -> list[str]:
        """Return texts by number."""
        return [f"{number:0{_DIGITS}d}{self._tail}" for number in numbers]

    def vectors(self, numbers: Sequence[int] | NDArray[Any]) -> Matrix:
        """Return the vectors of texts by number, shape (n, d)."""
        wanted = np.asarray(numbers, np.int64)
        matrix: Matrix = self._base[wanted % _BASE]
        # Exact in float32 below 2^24, so that no two texts have one vector, and none has a vector of zeros.
        matrix[:, 0] = (wanted + 1) / (1 << 24)
        return matrix

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return the vectors of texts, as a model would."""
        return self.vectors([int(text[:_DIGITS]) for text in texts])

    def sample(self, numbers: NDArray[Any]) -> Sample:
        """Return texts to ask for, by number."""
        return Sample(numbers, self.texts(numbers))

    def any_of(self, rows: int, count: int, seed: int) -> Sample:
        """Return `count` different ones of the first `rows` texts, in random order."""
        return self.sample(np.random.default_rng(seed).choice(rows, min(count, rows), replace=False))
