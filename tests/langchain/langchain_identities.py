"""What the tests of LangChain's identities share."""

from __future__ import annotations

from functools import partial

import pytest
from known_class import namespace_of
from lazily import lazily

from langchain_embedonce.identities import describer

# The last one: langchain-community warns at its import that it is being retired.
WARNINGS = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore:.*langchain-community.*:DeprecationWarning"),
]

lc = lazily("langchain_classes", "langchain_core.embeddings", "pydantic")

describe, fingerprint, sub_batch = describer.describe, describer.fingerprint, describer.sub_batch
namespace = partial(namespace_of, describer)
