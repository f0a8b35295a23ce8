"""The pytest plugin of embedonce: the fixture `replay`, see docs/testing.md.

Every pytest run of an environment with embedonce imports this package. It lies outside of `embedonce`, so that such a
run loads nothing but pytest until a test asks for the fixture.
"""

from pytest_embedonce.plugin import pytest_addoption, pytest_runtest_call, replay

__all__ = ["pytest_addoption", "pytest_runtest_call", "replay"]
