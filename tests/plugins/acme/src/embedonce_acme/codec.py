"""Half the space of float32 and all of its range: the upper 16 bits of every number (bfloat16, cut).

Seven bits of the fraction are kept, so that no number changes by more than 1/128 of itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def encode(vectors: NDArray[Any]) -> NDArray[np.uint16]:
    """Return the upper halves of the numbers.

    Args:
        vectors: Shape (n, d).

    Raises:
        ValueError: The numbers are no floats, or too large for float32.
    """
    if vectors.dtype.kind != "f":
        msg = f"acme-bf16 is for floats, these are {vectors.dtype} numbers"
        raise ValueError(msg)
    with np.errstate(over="ignore", under="ignore"):
        single = vectors.astype("<f4")
    if not np.isfinite(single).all():
        msg = "a number is too large for float32"
        raise ValueError(msg)
    return (single.view("<u4") >> 16).astype("<u2")


def decode(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return the numbers, whose lower halves are zero now: encoding them again gives the same rows."""
    return (rows.astype("<u4") << 16).view("<f4")
