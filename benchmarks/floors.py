"""The floor: what any verified cache has to do, and nothing else."""

from __future__ import annotations

import hashlib
import mmap
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.corpus import Corpus, Sample

_PREFIX = "embedonce:1:document:"
_BLOCK = 65_536


class Floor:
    """All vectors in one mapped file; where each one lies is known without looking it up.

    Args:
        folder: Where the file is made.
        corpus: The vectors.
        rows: How many of them.
    """

    def __init__(self, folder: Path, corpus: Corpus, rows: int) -> None:
        path = folder / "vectors"
        with path.open("wb") as file:
            for start in range(0, rows, _BLOCK):
                file.write(corpus.vectors(np.arange(start, min(rows, start + _BLOCK))).data)
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._matrix = np.frombuffer(mapped, np.float32).reshape(rows, corpus.dimensions)
        # So that all of it is in memory.
        self._matrix[:: max(1, 4096 // self._matrix.strides[0]), 0].sum()

    def verified(self, sample: Sample) -> NDArray[Any]:
        """Hash the texts, gather their rows into a new matrix, and checksum each row."""
        sha256 = hashlib.sha256
        for text in sample.texts:
            sha256((_PREFIX + text).encode()).digest()
        matrix = self._matrix.take(sample.numbers, axis=0)
        crc32, stride = zlib.crc32, matrix.strides[0]
        data = memoryview(matrix.data).cast("B")
        for start in range(0, len(data), stride):
            crc32(data[start : start + stride])
        return matrix

    def verified_lists(self, sample: Sample) -> list[list[float]]:
        """Do the same and give lists, as LangChain's and other interfaces ask for."""
        lists: list[list[float]] = self.verified(sample).tolist()
        return lists


def written(path: Path, answer: list[list[float]]) -> None:
    """Make an array of an embedder's lists and write it to a new file from beginning to end."""
    with path.open("wb") as file:
        file.write(np.array(answer, np.float32).data)
