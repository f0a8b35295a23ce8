"""The classes that `identities` knows, by the first three names of their module."""

from llama_index.embeddings.embedonce.providers import hosted, local, openai, served

__all__ = ["ROWS"]

ROWS = {**openai.ROWS, **hosted.ROWS, **served.ROWS, **local.ROWS}
