"""The segment store: packed immutable files on any path; `docs/storage-format.md` specifies them."""
