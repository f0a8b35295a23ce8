"""Byte stores: `str -> bytes`, with the method names of LangChain's `BaseStore`."""

from embedonce.stores.memory import MemoryStore
from embedonce.stores.protocol import ByteStore, is_byte_store
from embedonce.stores.segments.store import SegmentStore

__all__ = ["ByteStore", "MemoryStore", "SegmentStore", "is_byte_store"]
