"""The bytes of the store: names of files, layout of segments, and contents of a directory."""
