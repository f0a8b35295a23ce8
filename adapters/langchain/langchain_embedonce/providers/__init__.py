"""The classes that `identities` knows, by the root of their module, since classes move within their package."""

from langchain_embedonce.providers import fakes, hosted, local, openai
from langchain_embedonce.providers.row import Description, Row

__all__ = ["ROWS", "Description", "Row"]

ROWS = {**openai.ROWS, **local.ROWS, **hosted.ROWS, **fakes.ROWS}
