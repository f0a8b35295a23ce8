"""The decorator of methods that are documented where their base declares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import override
else:

    def override(method: Any) -> Any:
        """Return a method as it is: type checkers compare it with that of the base, which has the documentation."""
        return method


__all__ = ["override"]
