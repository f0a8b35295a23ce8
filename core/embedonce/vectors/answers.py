"""Check what an embedder answers, and return it as a matrix."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from embedonce import remedies
from embedonce.errors import EmbedderContractError
from embedonce.runtime.signals import let_through

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[Any]
    Vector = NDArray[Any]
    Rows = Matrix | list[Any] | tuple[Any, ...]


EXACT_IN_FLOAT64 = 1 << 53
"""Integers up to this size are the same number in float64."""


MAX_DIMENSIONS = 1 << 20
"""Longest vector that is stored: far beyond any model, and a bound on what a damaged header can ask for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an embedder answered for some texts.

    Attributes:
        matrix: The vectors, shape (n, d), in memory of their own; the rows of those that are bad hold zeros.
        bad: What is wrong with each vector that cannot be used, by its position: "is None".
        zero: Positions of the vectors that hold nothing but zeros; none of them is bad.
        error: Why vectors are missing, if that is not the fault of those that were answered; see `PartialAnswer`.
    """

    matrix: Matrix
    bad: dict[int, str]
    zero: list[int]
    error: BaseException | None = None

    @property
    def reason(self) -> str:
        """What is wrong with the first bad vector, as half a sentence; "" if none is bad."""
        return next((f"its vector {what}" for what in self.bad.values()), "")

    @property
    def faults(self) -> str:
        """What is wrong, with the position and the number of bad vectors; "" if none is bad."""
        return _faults(self.bad, len(self.matrix))


def vectors_of(answer: object, count: int, dimensions: int | None = None) -> Matrix:
    """Return the matrix of `checked_answer` if each of its vectors can be used.

    Raises:
        EmbedderContractError: As `checked_answer` does, and for any vector that cannot be used.
        Exception: That of a `PartialAnswer`.
    """
    checked = checked_answer(answer, count, dimensions)
    if checked.error is not None:
        raise checked.error
    if checked.bad:
        _broken(checked.faults)
    return checked.matrix


def checked_answer(
    answer: object,
    count: int,
    dimensions: int | None = None,
    *,
    declared: bool = False,
    read: list[Vector | str] | None = None,
) -> Answer:
    """Check an embedder's answer for `count` texts.

    A vector that cannot be used costs no other. It is bad if it is None, masked, of another length than `dimensions`
    (than most of them, if that is unknown), not finite, anything but real numbers, or if float64 does not hold its
    numbers where that is the common dtype.

    Args:
        answer: A sequence of vectors, or an array of shape (count, d), or anything numpy can turn into one.
        count: Number of texts that the embedder was given.
        dimensions: Length that each vector must have, if it is known.
        declared: True if `dimensions` is what the embedder is declared to return, not what was seen before.
        read: An empty list. If the answer is an iterator and reading it is interrupted, what was read is found here;
            see `read_before`.

    Returns:
        The vectors, and what is wrong with some of them. The matrix is C-contiguous: float32 if that holds every number
        exactly, else float64; integers keep their dtype. It never shares memory with `answer`.

    Raises:
        EmbedderContractError: It cannot be told which vector belongs to which text, or how long vectors are: another
            number of vectors, or vectors of differing length while `dimensions` is unknown, with none that most of them
            have. Or none of them can be used.
        Exception: What an iterator raises before its first vector. One that it raises later is in `Answer.error`.
    """
    error: BaseException | None = None
    if isinstance(answer, PartialAnswer):
        error, answer = answer.error, answer.vectors
    rows = _rows(answer, count)
    bad: dict[int, str] = {}
    matrix = None if isinstance(rows, Iterator) else _whole(rows)
    if matrix is None:
        vectors, error = _read(rows, count, error, [] if read is None else read)
        if len(vectors) != count:
            returned = len(vectors) if len(vectors) < count else f"more than {count}"
            _broken(f"it returned {returned} vectors for {count} texts")
        matrix = _whole(vectors)
        if matrix is None:
            matrix, bad = _usable(vectors, dimensions)
    width = matrix.shape[1]
    if not 0 < width <= MAX_DIMENSIONS:
        _broken(f"it returned vectors of length {width}")
    if dimensions not in (None, width):
        _broken(
            f"it returned vectors of length {width} where the embedder is declared to return vectors of length "
            f"{dimensions}; declare the length that it returns"
            if declared
            else f"it returned vectors of length {width} where this namespace holds vectors of length {dimensions}: "
            "another model answers under the same namespace; give it its own namespace= or version="
        )
    return Answer(matrix, bad, [i for i in zero_rows(matrix) if i not in bad], error)


_PLAIN = {list, tuple, np.ndarray}
"""Answers and vectors that stay as they are while they are read."""


def _rows(answer: Any, count: int) -> Rows | Iterator[Any]:
    """Return what holds one item per text; an iterator if its items may change as soon as the next one is taken."""
    if type(answer) in _PLAIN:
        return _counted(_array(answer) if isinstance(answer, np.ndarray) else answer, count)
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        _broken("it is async; use the async method, such as aembed, instead")
    instead = f"it returned {type(answer).__name__} instead of {count} vectors{remedies.taking_vectors_of(answer)}"
    # The fields of a model of pydantic are no vectors, although it can be iterated over.
    is_response = hasattr(type(answer), "__pydantic_fields__")
    if answer is None or is_response or isinstance(answer, str | bytes | Mapping | AbstractSet):
        _broken(instead)
    if hasattr(answer, "__array__") or isinstance(answer, memoryview):
        return _counted(_array(answer), count)
    # Other sequences may make their items when they are asked for them, in a buffer that they use again.
    try:
        iterator = iter(answer)
    except TypeError:
        _broken(instead)
    try:
        length = len(answer)
    except TypeError:
        length = None
    if length not in (None, count):
        _broken(f"it returned {length} vectors for {count} texts")
    return iterator if length is None else islice(iterator, length)


def _read(
    rows: Rows | Iterator[Any], count: int, error: BaseException | None, vectors: list[Vector | str]
) -> tuple[list[Vector | str], BaseException | None]:
    """Return copies of all vectors, or what is wrong with them, and an error that has ended an iterator early."""
    try:
        # One more than there should be: an iterator need not end. In one step, after which `vectors` holds all that
        # was read, whatever interrupts it.
        vectors.extend(islice(chain(map(_vector, rows), (_END,)), count + 1))
    except Exception as failure:
        # A generator that embeds text by text has answered for the first ones.
        if not vectors:
            raise
        return vectors + [_MISSING] * (count - len(vectors)), failure
    return vectors[:-1] if vectors[-1] is _END else vectors, error


def read_before(read: list[Vector | str], count: int, interrupt: BaseException) -> PartialAnswer | list[Any]:
    """Return the answer of an iterator for `count` texts of which reading was interrupted; it is not read further.

    Args:
        read: What `checked_answer` has read of it.
        count: Number of texts that the embedder was given.
        interrupt: What interrupted it.
    """
    vectors = [None if isinstance(vector, str) else vector for vector in read]
    if read[-1] is _END:
        return vectors[:-1]
    return PartialAnswer(vectors + [None] * (count - len(read)), interrupt)


def _counted(rows: Rows, count: int) -> Rows:
    if len(rows) != count:
        _broken(f"it returned {len(rows)} vectors for {count} texts")
    return rows


def _array(answer: Any) -> Matrix:
    """Return an array of vectors, or an array of objects that may be vectors."""
    try:
        array = np.asanyarray(answer)
    except Exception as error:
        let_through(error)
        _broken(f"its answer is not a matrix of numbers ({error!s:.200})")
    if array.ndim != 2 and (array.ndim != 1 or array.dtype != object):
        _broken(f"it returned an array of shape {array.shape} and dtype {array.dtype}")
    return array if _is_masked(array) else np.asarray(array)


def _whole(rows: Rows) -> Matrix | None:
    """Return the matrix if all vectors can be used, else None; which of them cannot is for `_vector` to say."""
    is_array = isinstance(rows, np.ndarray)
    if _is_masked(rows) if is_array else not _PLAIN.issuperset(map(type, rows)):
        return None
    try:
        matrix = _real(np.asarray(rows))
    except Exception as error:
        let_through(error)
        return None
    if matrix is None or matrix.ndim != 2:
        return None
    if matrix.dtype == np.float64 and not is_array and _is_large(matrix):
        # A list may hold integers beside fractions.
        return None
    return _smallest(matrix)


def _vector(given: Any) -> Vector | str:
    """Return a copy of one vector, or what is wrong with it."""
    if given is None:
        return "is None"
    try:
        array = np.asanyarray(given)
        if _is_masked(array):
            return "holds masked numbers"
        if array.dtype == object:
            # An array of objects may hold nothing but numbers.
            given = array.tolist()
            array = np.asarray(given)
    except Exception as error:
        let_through(error)
        return f"is not a vector of numbers ({error!s:.200})"
    if array.ndim != 1:
        return f"has the shape {array.shape}" if array.ndim else f"is of type {type(given).__name__}"
    if not len(array):
        return "is empty"
    vector = _real(array)
    if vector is None:
        return "holds something other than real numbers"
    if vector.dtype == np.float64 and not hasattr(given, "__array__") and _loses_digits(given, vector):
        return _LOST_DIGITS
    return np.array(vector)


def _usable(vectors: list[Vector | str], dimensions: int | None) -> tuple[Matrix, dict[int, str]]:
    """Return the matrix of those vectors that can be used, and what is wrong with the others."""
    checked = [vector if isinstance(vector, str) else _finite(vector) for vector in vectors]
    bad = {i: vector for i, vector in enumerate(checked) if isinstance(vector, str)}
    good = {i: vector for i, vector in enumerate(checked) if not isinstance(vector, str)}
    lengths = sorted({len(vector) for vector in good.values()})
    if len(lengths) > 1:
        if dimensions is None:
            # A few of another length do not cost the others.
            length, count = Counter(map(len, good.values())).most_common(1)[0]
            dimensions = length if 2 * count > len(vectors) else None
        if dimensions not in lengths:
            _broken(f"it returned vectors of differing lengths {lengths[:5]}")
        wrong = [i for i, vector in good.items() if len(vector) != dimensions]
        bad |= {i: f"has length {len(good.pop(i))} instead of {dimensions}" for i in wrong}
    if good and _common(good).kind == "f":
        large = [i for i, vector in good.items() if _loses_digits(vector.tolist(), vector.astype(np.float64))]
        bad |= dict.fromkeys(large, _LOST_DIGITS)
        for i in large:
            del good[i]
    bad = dict(sorted(bad.items()))
    if not good:
        _broken(_faults(bad, len(vectors)))
    matrix = np.zeros((len(vectors), len(next(iter(good.values())))), _common(good))
    for i, vector in good.items():
        matrix[i] = vector
    smallest = _smallest(matrix)
    assert smallest is not None
    return smallest, bad


def _finite(vector: Vector) -> Vector | str:
    """Return a vector with at most 64 bits per number, or what is wrong with it."""
    if not np.isfinite(vector).all():
        return "holds a number that is not finite"
    if vector.dtype.itemsize <= 8:
        return vector
    narrow = _cast(vector, "<f8")
    return narrow if (narrow == vector).all() else f"holds {vector.dtype} numbers that do not fit into float64"


def _common(vectors: dict[int, Vector]) -> np.dtype[Any]:
    return np.result_type(*{vector.dtype for vector in vectors.values()})


def _is_masked(array: Any) -> bool:
    # Most programs never load `numpy.ma`.
    return type(array) is not np.ndarray and isinstance(array, np.ma.MaskedArray) and bool(np.ma.is_masked(array))


def _real(array: Matrix) -> Matrix | None:
    """Return an array of real numbers; None if there are others in it."""
    if array.dtype.kind in "fiub":
        return array
    # Dtypes that other packages add, such as bfloat16.
    return array.astype(np.float32) if array.dtype.kind == "V" and np.can_cast(array.dtype, np.float32) else None


def _is_large(array: Matrix) -> bool:
    """True if there may be integers in it which float64 has rounded."""
    return bool(array.size and not (array.max() < EXACT_IN_FLOAT64 and array.min() > -EXACT_IN_FLOAT64))


def _loses_digits(given: Any, taken: Vector) -> bool:
    """True if float64 holds another number than an integer that was given."""
    if not _is_large(taken):
        return False
    numbers = [each.item() if hasattr(each, "item") else each for each in given]
    return any(type(number) is int and number != kept for number, kept in zip(numbers, taken.tolist(), strict=True))


_MISSING = "was not answered"
_END = "the end of an iterator"
_LOST_DIGITS = "holds an integer that does not fit into float64 beside fractions"


def _smallest(matrix: Matrix) -> Matrix | None:
    """Return a copy in the smallest dtype that holds all numbers; None if some are not finite or too long."""
    if matrix.dtype.kind != "f":
        kind = "u" if matrix.dtype.kind == "b" else matrix.dtype.kind
        return np.array(matrix, dtype=f"<{kind}{matrix.dtype.itemsize}", order="C")
    if matrix.dtype.itemsize > 8:
        wide, matrix = matrix, _cast(matrix, "<f8")
        if not (wide == matrix).all():
            return None
    if matrix.dtype.itemsize == 8:
        narrow = _cast(matrix, "<f4")
        # What equals finite numbers is finite: half as many bytes to look at.
        if (narrow == matrix).all() and _is_finite(narrow):
            return narrow
    # Copied before it is looked at: the embedder may use its buffer again.
    copy = np.array(matrix, dtype="<f8" if matrix.dtype.itemsize == 8 else "<f4", order="C")
    return copy if _is_finite(copy) else None


def _is_finite(matrix: Matrix) -> bool:
    # In parts, which stay in the processor's cache.
    return all(np.isfinite(matrix[start : start + 64]).all() for start in range(0, len(matrix), 64))


def _cast(matrix: Matrix, dtype: str) -> Matrix:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return matrix.astype(dtype, order="C")


def zero_rows(matrix: Matrix) -> list[int]:
    """Return which rows hold nothing but zeros."""
    # Few vectors begin and end with zero, and only those are read to the end.
    some = np.flatnonzero((matrix[:, 0] == 0) & (matrix[:, -1] == 0))
    return [] if not len(some) else some[~matrix[some].any(axis=1)].tolist()


def _faults(bad: dict[int, str], count: int) -> str:
    """Say what is wrong with the first of some vectors, and how many there are."""
    if not bad:
        return ""
    position, what = next(iter(bad.items()))
    others = f", and {len(bad) - 1} more of {count} vectors cannot be used" if len(bad) > 1 else ""
    return f"vector {position} {what}{others}"


def _broken(what: str) -> NoReturn:
    msg = f"the embedder broke its contract: {what}; nothing of this answer was stored"
    raise EmbedderContractError(msg)


@dataclass(frozen=True, slots=True)
class PartialAnswer:
    """An embedder's answer if some of the requests that it has sent at once have failed, and others have not.

    Attributes:
        vectors: One for each text, None for those of requests that have failed.
        error: What the first of these has failed with; it is raised when the other vectors are stored.
    """

    vectors: list[Any]
    error: BaseException


@dataclass(frozen=True, slots=True)
class NotCacheable:
    """An embedder's answer that is returned but neither stored nor handed to others who wait for the same texts."""

    answer: Any


def is_sized(answer: object) -> bool:
    """True for an answer that can be read again, unlike an iterator."""
    if isinstance(answer, NotCacheable):
        answer = answer.answer
    if isinstance(answer, PartialAnswer):
        answer = answer.vectors
    return hasattr(answer, "__len__")
