"""All frameworks, and the ways to ask them; importing this imports none of them."""

from __future__ import annotations

from haystack_framework import Haystack
from langchain_framework import LangChain
from llamaindex_framework import LlamaIndex

from embedonce.testing.suites.adapters import WAYS, Api

FRAMEWORKS = LANGCHAIN, LLAMAINDEX, HAYSTACK = (LangChain(), LlamaIndex(), Haystack())
APIS = [Api(framework, way) for framework in FRAMEWORKS for way in WAYS]
