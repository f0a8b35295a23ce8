"""Byte stores: `str -> bytes`, with the method names of LangChain's `BaseStore`."""

from embedonce.stores.base import ByteStore
from embedonce.stores.memory import MemoryStore
from embedonce.stores.segments.store import SegmentStore

__all__ = ["ByteStore", "MemoryStore", "SegmentStore"]
