"""A made-up framework: one class, with names of methods that no other framework has."""

from acme.embedder import Embedder

__all__ = ["Embedder"]
