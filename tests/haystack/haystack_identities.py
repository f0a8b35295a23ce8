"""What the tests of Haystack's identities share."""

from __future__ import annotations

from functools import partial

import pytest
from known_class import namespace_of
from lazily import lazily

from haystack_integrations.components.embedders.embedonce.identities import describer

WARNINGS = [
    pytest.mark.filterwarnings("error"),
    # Of the packages' own making, at import.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
]

hs = lazily("haystack", "haystack.components.embedders", "haystack.utils")
classes = lazily("haystack_classes")

describe, fingerprint, sub_batch = describer.describe, describer.fingerprint, describer.sub_batch
namespace = partial(namespace_of, describer)
