"""From texts to unique keys and back to one row per text; no I/O, shared by sync and async."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from embedonce.keys.specification import Key


@dataclass(frozen=True, slots=True)
class Plan:
    """What one call asks for, each key once.

    Attributes:
        asked: Number of texts in the call.
        texts: The first text of each key, in the order of the call.
        keys: Their keys; None for a text that the key encoder cannot encode, which is embedded but not stored.
        row_of: For each text of the call the number of its key, None if all keys differ.
    """

    asked: int
    texts: list[str]
    keys: list[Key | None]
    row_of: NDArray[np.intp] | None

    @classmethod
    def of(cls, texts: Sequence[str], keys_of: Callable[[Sequence[str]], list[Key | None]]) -> Plan:
        """Plan a call for texts that `checked_texts` has seen."""
        unique = list(dict.fromkeys(texts))
        keys = keys_of(unique)
        if len(unique) == len(texts) and len(set(keys)) == len(keys):
            return cls(len(texts), unique, keys, None)
        # Two texts with one key are one entry: a custom encoder may want that, for instance to ignore case.
        number_of_key: dict[Key | tuple[None, int], int] = {}
        number_of_text: dict[str, int] = {}
        firsts: list[int] = []
        for i, (text, key) in enumerate(zip(unique, keys, strict=True)):
            name = key if key is not None else (None, i)
            if name not in number_of_key:
                number_of_key[name] = len(firsts)
                firsts.append(i)
            number_of_text[text] = number_of_key[name]
        row_of = np.fromiter((number_of_text[text] for text in texts), np.intp, len(texts))
        return cls(len(texts), [unique[i] for i in firsts], [keys[i] for i in firsts], row_of)

    @property
    def has_duplicates(self) -> bool:
        """True if some texts share a key."""
        return self.row_of is not None

    def first_of(self, number: int) -> int:
        """Return the position in the call of the first text of a key."""
        return number if self.row_of is None else int(np.argmax(self.row_of == number))

    def spread(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Return one row per text of the call, given one per key."""
        return matrix if self.row_of is None else matrix[self.row_of]
