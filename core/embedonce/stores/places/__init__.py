"""Places: flat directories of files, local and remote."""
