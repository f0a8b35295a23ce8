"""What tests of the engine of the cache share."""

from __future__ import annotations

import pytest
from core_support import is_in_flight, until


@pytest.fixture
def nothing_is_left_in_flight():
    yield
    until(lambda: not is_in_flight())
