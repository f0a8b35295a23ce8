"""The classes that `identities` knows, by the root of their module, since classes move within their package."""

from langchain_embedonce.providers import fakes, hosted, local, openai, served

__all__ = ["ROWS"]

ROWS = {**openai.ROWS, **local.ROWS, **hosted.ROWS, **served.ROWS, **fakes.ROWS}
