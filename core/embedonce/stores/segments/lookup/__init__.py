"""Find rows by key in memory: the merged index of all segments."""
