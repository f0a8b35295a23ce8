"""Batches of a call: asking the embedder, checking and storing what it answers, and how large they are."""
