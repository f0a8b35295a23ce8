"""Locations: the paths, URLs and file systems that users give for a store."""
