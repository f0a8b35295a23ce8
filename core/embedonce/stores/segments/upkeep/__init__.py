"""Compact, evict, erase and inspect segments on request."""
