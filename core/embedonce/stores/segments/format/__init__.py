"""The bytes of the store: names of files, layout of segments, and what a directory holds."""
