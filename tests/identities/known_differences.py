"""What the audit finds and what is known of it, by class and setting."""

from __future__ import annotations

WRONG: dict[tuple[str, str], str] = {}

NEEDLESS: dict[tuple[str, str], str] = {}
