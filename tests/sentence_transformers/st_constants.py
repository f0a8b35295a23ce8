"""What small models are made of, and the texts that they are asked for; importing this imports no package."""

from __future__ import annotations

WIDTH = 16
POSITIONS = 64
COMMIT = "a" * 40
OLD_COMMIT = "b" * 40
PROMPTS = {"query": "query: ", "document": "passage: "}
TEXTS = ["a short one", "b", "a much longer text than all of the others, with many more words in it"]
