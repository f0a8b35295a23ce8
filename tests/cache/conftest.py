"""What tests of the engine of the cache share."""

from __future__ import annotations

import pytest
from core_support import in_flight, until


@pytest.fixture
def nothing_is_left_in_flight():
    yield
    until(lambda: not in_flight())
