"""The pytest plugin of embedonce: the fixture `replay`, see docs/testing.md.

Every pytest run in an environment with embedonce imports this package. It is not part of the package `embedonce`, so
that such a run imports nothing but pytest until a test uses the fixture.
"""

from pytest_embedonce.plugin import pytest_addoption, pytest_runtest_call, replay

__all__ = ["pytest_addoption", "pytest_runtest_call", "replay"]
