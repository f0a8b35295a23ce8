"""Two stores on one path, as state machines of Hypothesis compare them with a dict."""

from __future__ import annotations

import itertools
import shutil
import tempfile

import fsspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from embedonce.stores.locations.location import as_location
from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.places.remote import RemoteDirectory
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.stores.segments.store import SegmentStore
from embedonce.stores.segments.writing import merger

_NUMBER = itertools.count()


class TwoStores(RuleBasedStateMachine):
    """Two stores on a path that a machine makes and removes, and what they should hold.

    Attributes:
        url: What the path begins with; empty for a local one.
    """

    url = ""

    def begin(self, *, grace: float) -> None:
        """Open the stores, which merge after every few writes; replaced segments stay for so many seconds."""
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(merger, "_FAN_IN", 2)
        self.patch.setattr(LocalDirectory, "grace", grace)
        self.patch.setattr(RemoteDirectory, "grace", grace)
        self.root = f"/model-{next(_NUMBER)}" if self.url else tempfile.mkdtemp()
        self.model: dict[str, bytes] = {}
        self.stores = [self.opened(), self.opened()]

    def opened(self) -> SegmentStore:
        return SegmentStore(as_location(f"{self.url}{self.root}"), NamespaceDirectory.of("n"))

    @rule(which=st.integers(0, 1))
    def reopen(self, which):
        self.stores[which] = self.opened()

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()
            memory = fsspec.filesystem("memory")
            if not self.url:
                shutil.rmtree(self.root)
            elif memory.exists(self.root):
                memory.rm(self.root, recursive=True)
