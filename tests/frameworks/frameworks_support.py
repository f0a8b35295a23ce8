"""What the suites of the three frameworks have beyond `AdapterSuite`, and what processes are asked to do."""

from __future__ import annotations

from embedonce.testing import AdapterSuite
from embedonce.testing.suites.adapters import WAYS, Api


class FrameworkSuite(AdapterSuite):
    """The suite of one of our own adapters."""

    def insides(self, wrapped):
        """The native embedders in the wrappers."""
        raise NotImplementedError

    def behind(self, wrapped):
        """The model that is asked in the end."""
        return self.insides(wrapped)[0].behind


def asked_elsewhere(suite, wrapped):
    """What a wrapper answers in a process of its own, how often it hits, and what its model has been asked."""
    answers = [Api(suite, way).documents(wrapped, [f"new {way}", "a", "b"]) for way in WAYS]
    answers += [Api(suite, way).query(wrapped, "a") for way in WAYS]
    return answers, wrapped.cache.stats().hits, suite.behind(wrapped).paid
