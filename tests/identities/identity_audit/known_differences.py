"""What the audit is known to find, by class and setting."""

from __future__ import annotations

WRONG: dict[tuple[str, str], str] = {}
"""Not mended yet."""

NEEDLESS: dict[tuple[str, str], str] = {}
"""Settings that change the name and not the request, and why that is so."""

TWINS: dict[str, str] = {}
"""Classes whose async methods send something else than the others, and what a cache makes of it."""
