"""The dtypes that vectors are stored with, by their codes in envelopes and their names in segments."""

from __future__ import annotations

from typing import Any

import numpy as np

# Codes and names are parts of the storage formats: they are never changed or reused.
_STORED = (
    (1, "f32", "<f4"),
    (2, "f64", "<f8"),
    (3, "f16", "<f2"),
    (4, "i8", "|i1"),
    (5, "u8", "|u1"),
    (6, "i16", "<i2"),
    (7, "u16", "<u2"),
    (8, "i32", "<i4"),
    (9, "u32", "<u4"),
    (10, "i64", "<i8"),
    (11, "u64", "<u8"),
)

DTYPES: dict[int, np.dtype[Any]] = {code: np.dtype(dtype) for code, _, dtype in _STORED}
CODES = {dtype: code for code, dtype in DTYPES.items()}
LAYOUTS: dict[str, np.dtype[Any]] = {layout: np.dtype(dtype) for _, layout, dtype in _STORED}
LAYOUT_OF = {dtype: layout for layout, dtype in LAYOUTS.items()}
