"""Places: flat directories of files, near and far."""
