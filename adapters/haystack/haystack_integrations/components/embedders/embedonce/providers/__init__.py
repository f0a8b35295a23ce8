"""The classes that `identities` knows, by the package that they come from."""

from haystack_integrations.components.embedders.embedonce.providers import hosted, local, openai, refused

__all__ = ["ROWS"]

ROWS = {**openai.ROWS, **hosted.ROWS, **local.ROWS, **refused.ROWS}
