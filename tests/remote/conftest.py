"""What the tests of distant places share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _tests_do_not_meet(_nothing_left_behind):
    """What a test has not published it does not publish beside another one."""
