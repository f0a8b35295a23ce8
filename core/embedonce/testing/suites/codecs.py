"""The suite of codecs: what embedonce relies on when vectors are stored in another form."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from embedonce.cache.cache import EmbeddingCache
from embedonce.stores.memory import MemoryStore
from embedonce.testing.embedders import CountingEmbedder
from embedonce.testing.suites.declared import Suite

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from embedonce.vectors.codecs import Codec

    Matrix = NDArray[Any]

_STORED = {np.dtype(name) for name in ("f4", "f8", "f2", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")}
_THREADS = 8
_NAMESPACE = "suite of codecs"


def _units(count: int, dimensions: int) -> Matrix:
    numbers = np.random.default_rng(count * 10_000 + dimensions).standard_normal((count, dimensions))
    units: Matrix = (numbers / np.linalg.norm(numbers, axis=1, keepdims=True)).astype("<f4")
    return units


def _rows(*rows: Sequence[float], dtype: str = "<f4") -> Matrix:
    return np.array(rows, dtype)


_LARGEST, _LEAST = float(np.finfo("f4").max), float(np.finfo("f4").smallest_subnormal)
_UNITS = {
    f"{count} unit vectors of length {dimensions}": _units(count, dimensions)
    for count, dimensions in ((1, 8), (17, 8), (3, 1), (5, 2), (40, 257), (4, 1536))
}
_FURTHER = {
    "unit vectors in float64": _units(9, 12).astype("<f8") / 3,
    "whole numbers in float32": np.arange(-12, 12, dtype="<f4").reshape(4, 6),
    "signed bytes": np.arange(-128, 128).astype("<i1").reshape(16, 16),
    "unsigned bytes": np.arange(256).astype("<u1").reshape(16, 16),
    "large integers": _rows([2**53 + 1, -(2**62)], dtype="<i8"),
}
_EXTREME = {
    "zeros": _rows([0, 0, 0, 0]),
    "negative zeros": _rows([-0.0, 0, -0.0, 1], [-0.0, -0.0, -0.0, -0.0]),
    "subnormal numbers": _rows([_LEAST, -_LEAST, 3 * _LEAST, 0]),
    "a subnormal number beside a one": _rows([_LEAST, 1, -_LEAST, -1]),
    "the least normal numbers": _rows([1.2e-38, -1.2e-38, 2.4e-38, 0]),
    "the largest numbers of float16, and one more": _rows([65504, -65504, 1, 0], [65520, 0, 0, 0]),
    "the largest numbers of float32": _rows([_LARGEST, -_LARGEST, 0, 1]),
    "the largest number below a power of two": _rows([0.99999994, -0.99999994, 0.5, 0]),
    "small and large numbers in one vector": _rows([1e-30, 1, 1e30, -1e-10]),
    "small and large vectors": _rows([1e-30, 2e-30, 0, 0], [1e30, 2e30, 0, 0], [1, 2, 0, 0]),
    "the largest numbers of float64": _rows([1e308, -1e308, 0, 1], dtype="<f8"),
    "subnormal numbers of float64": _rows([5e-324, -5e-324, 0, 1], dtype="<f8"),
}


class CodecSuite(Suite):
    """Tests of a codec, and of an `EmbeddingCache` with it.

    A subclass is named `Test…` and sets `codec`. A codec may refuse vectors with a `ValueError`, but not unit
    vectors in float32 of any number of dimensions: these are what most embedders answer with.

    Attributes:
        codec: The codec.
        is_exact: True if all vectors come back bit by bit.
        tolerance: Length of the largest difference between a unit vector and what comes back; None to leave this out.
        vectors: Further matrices, shape (n, d), that it must not refuse.
    """

    codec: ClassVar[Codec]
    is_exact: ClassVar[bool] = False
    tolerance: ClassVar[float | None] = None
    vectors: ClassVar[Sequence[Matrix]] = ()

    def test_it_can_be_registered(self) -> None:
        """It has a name and a version, which are recorded with stored vectors.

        Look at: the version: it has to change with every change of either function.
        """
        assert isinstance(self.codec.name, str)
        assert self.codec.name
        assert isinstance(self.codec.version, str)
        assert self.codec.version

    def test_unit_vectors_are_held(self) -> None:
        """Vectors of length 1 in float32, and the `vectors` of the subclass, are never refused.

        Look at: the error; whether the codec asks for a certain length of vectors.
        """
        for matrix in [*_UNITS.values(), *self.vectors]:
            self.codec.encode(matrix.copy())

    def test_shapes_and_types_fit_the_format(self) -> None:
        """Vectors of shape (n, d) become rows of shape (n, w), w > 0, of a type that files can hold, and come back.

        Look at: `axis=`, one vector given alone, and numbers of other types such as bool or float128.
        """
        for what, matrix, rows in self._held():
            assert isinstance(rows, np.ndarray), what
            assert rows.ndim == 2, what
            assert len(rows) == len(matrix), what
            assert rows.shape[1] > 0, what
            assert rows.dtype.newbyteorder("<") in _STORED, what
            decoded = self.codec.decode(rows)
            assert decoded.shape == matrix.shape, what
            assert decoded.dtype.newbyteorder("<") in _STORED, what

    def test_rows_depend_on_their_own_vector_only(self) -> None:
        """A vector becomes the same row alone, among others, and in another order; and so back.

        Look at: `min`, `max` and `mean` without `axis=1`: a scale of the batch instead of the vector.
        """
        for what, matrix, rows in self._held():
            vectors = self.codec.decode(rows)
            order = np.random.default_rng(len(matrix)).permutation(len(matrix))
            for number in range(len(matrix)):
                alone = slice(number, number + 1)
                assert _bits(self.codec.encode(matrix[alone].copy())) == _bits(rows[alone]), what
                assert _bits(self.codec.decode(rows[alone].copy())) == _bits(vectors[alone]), what
            assert _bits(self.codec.encode(matrix[order])) == _bits(rows[order]), what
            assert _bits(self.codec.decode(rows[order])) == _bits(vectors[order]), what

    def test_a_decoded_vector_becomes_the_row_it_came_from(self) -> None:
        """`encode(decode(row))` is the row again, bit by bit: what a miss returns is what a hit returns.

        Look at: scales that are computed again from rounded numbers; only a power of two stays the same.
        """
        for what, _, rows in self._held():
            vectors = self.codec.decode(rows)
            assert _bits(self.codec.encode(vectors)) == _bits(rows), what
            assert _bits(self.codec.decode(self.codec.encode(vectors))) == _bits(vectors), what

    def test_numbers_come_back_as_near_as_promised(self) -> None:
        """An exact codec returns every bit, another one a unit vector within its tolerance.

        Look at: rounding (`np.rint` instead of a cast, which cuts), and the range that is used.
        """
        if self.is_exact:
            for what, matrix, rows in self._held():
                assert _bits(self.codec.decode(rows)) == _bits(matrix), what
        elif self.tolerance is None:
            pytest.skip("no tolerance is set, and the codec is not said to be exact")
        else:
            for what, matrix in _UNITS.items():
                decoded = self.codec.decode(self.codec.encode(matrix.copy())).astype("f8")
                assert np.linalg.norm(decoded - matrix, axis=1).max() <= self.tolerance, what

    @pytest.mark.parametrize("matrix", _EXTREME.values(), ids=_EXTREME)
    def test_extreme_numbers_are_treated_like_others(self, matrix: Matrix) -> None:
        """Extreme numbers come back like others, unless they are refused; none becomes NaN.

        Numbers that come back infinite are refused by the cache.

        Look at: a division by the largest number where that is zero, and multiples of numbers that are infinite.
        """
        matrix = matrix.copy()
        rows = self._encoded(matrix)
        if rows is None:
            return
        vectors = self.codec.decode(rows)
        assert not np.isnan(vectors).any()
        assert np.isfinite(vectors).all() or not self.is_exact
        if np.isfinite(vectors).all():
            assert _bits(self.codec.encode(vectors)) == _bits(rows)
            if self.is_exact:
                assert _bits(vectors) == _bits(matrix)
            for number in range(len(matrix)):
                assert _bits(self.codec.encode(matrix[number : number + 1])) == _bits(rows[number : number + 1])

    @pytest.mark.parametrize("matrix", _EXTREME.values(), ids=_EXTREME)
    def test_a_cache_holds_extreme_numbers_or_refuses_them(self, matrix: Matrix) -> None:
        """A vector is returned finite and found again, or it is refused with a `ValueError` and not stored.

        Look at: the error, which describes the answer of the codec.
        """
        for row in matrix.copy()[:, np.newaxis]:
            store, embedder = MemoryStore(), CountingEmbedder(lambda _, row=row: row)
            try:
                cold = self._cache(store).embed(["text"], embedder, namespace=_NAMESPACE)
            except ValueError:
                assert list(store.yield_keys()) == []
                continue
            assert np.isfinite(cold).all()
            assert _bits(self._cache(store).embed(["text"], embedder, namespace=_NAMESPACE)) == _bits(cold)
            # Vectors of zeros are not stored.
            assert len(embedder.calls) == 1 or not row.any()

    def test_arguments_stay_as_they_are(self) -> None:
        """Neither function writes into its argument, which may be an array of the caller, or a file.

        Look at: `out=`, `+=`, and views of the argument that are changed.
        """
        for what, matrix, _ in self._held():
            given = matrix.copy()
            rows = self.codec.encode(given).copy()
            assert _bits(given) == _bits(matrix), what
            stored = rows.copy()
            self.codec.decode(stored)
            assert _bits(stored) == _bits(rows), what
            for array in (given, stored):
                array.flags.writeable = False
            assert _bits(self.codec.encode(given)) == _bits(rows), what
            self.codec.decode(stored)

    def test_results_stay_as_they_are(self) -> None:
        """Later calls and other threads do not change what a call has returned.

        Look at: a buffer that several calls use.
        """
        matrices = [matrix for _, matrix, _ in self._held()]

        def both(matrix: Matrix) -> tuple[Matrix, Matrix]:
            rows = self.codec.encode(matrix)
            return rows, self.codec.decode(rows)

        once = [[_bits(result) for result in both(matrix)] for matrix in matrices]
        kept = [both(matrix) for matrix in [*matrices, *matrices]]
        assert [[_bits(result) for result in results] for results in kept] == [*once, *once]
        with ThreadPoolExecutor(_THREADS) as pool:
            kept = list(pool.map(both, matrices * _THREADS))
        assert [[_bits(result) for result in results] for results in kept] == once * _THREADS

    @pytest.mark.parametrize("place", ["path", "byte store"])
    def test_a_cache_gives_a_miss_and_a_hit_the_same_vectors(self, place: str, tmp_path: Path) -> None:
        """The vector that is returned when a text is embedded is, bit by bit, the one that is returned later.

        Look at: the tests above, first that of a decoded vector.
        """
        store: Any = tmp_path if place == "path" else MemoryStore()
        for what, matrix, _ in self._held():
            texts = [str(number) for number in range(len(matrix))]
            embedder = CountingEmbedder(lambda asked, matrix=matrix: matrix[[int(text) for text in asked]])
            cold = self._cache(store).embed(texts[:-1], embedder, namespace=what)
            warm = self._cache(store).embed(texts, embedder, namespace=what)
            again = self._cache(store).embed(texts[::-1], embedder, namespace=what)
            assert [text for call in embedder.calls for text in call] == texts, what
            assert _bits(warm[:-1]) == (_bits(cold) if len(cold) else _bits(warm[:0])), what
            assert _bits(again[::-1]) == _bits(warm), what
            if self.is_exact:
                assert np.array_equal(warm, matrix), what

    def test_a_cache_keeps_codecs_apart(self, tmp_path: Path) -> None:
        """A vector that was stored exactly is never returned for this codec, nor the other way round.

        Look at: the name, if it is that of a codec that is built in.
        """
        matrix = next(iter(_UNITS.values()))[:1].copy()
        embedder = CountingEmbedder(lambda _: matrix)
        exact = EmbeddingCache(tmp_path).embed(["text"], embedder, namespace=_NAMESPACE)
        ours = self._cache(tmp_path).embed(["text"], embedder, namespace=_NAMESPACE)
        assert _bits(EmbeddingCache(tmp_path).embed(["text"], embedder, namespace=_NAMESPACE)) == _bits(exact)
        assert _bits(self._cache(tmp_path).embed(["text"], embedder, namespace=_NAMESPACE)) == _bits(ours)
        assert np.array_equal(exact, matrix)
        assert np.array_equal(ours, self.codec.decode(self.codec.encode(matrix)))

    def _encoded(self, matrix: Matrix) -> Matrix | None:
        """Return the rows of vectors; None if the codec refuses them."""
        try:
            return self.codec.encode(matrix)
        except (ValueError, OverflowError):
            return None

    def _held(self) -> list[tuple[str, Matrix, Matrix]]:
        """Return each matrix that the codec holds: what it is, its vectors, and their rows."""
        given = {f"vectors[{number}]": matrix for number, matrix in enumerate(self.vectors)}
        # Copies: a codec that writes into its argument must not change what other tests are given.
        copied = {what: matrix.copy() for what, matrix in {**_UNITS, **given, **_FURTHER}.items()}
        encoded = [(what, matrix, self._encoded(matrix)) for what, matrix in copied.items()]
        return [(what, matrix, rows) for what, matrix, rows in encoded if rows is not None]

    def _cache(self, store: Any) -> EmbeddingCache:
        return EmbeddingCache(store, codec=self.codec, on_store_error="raise")


def _bits(matrix: Matrix) -> tuple[str, tuple[int, ...], bytes]:
    return matrix.dtype.str, matrix.shape, matrix.tobytes()
