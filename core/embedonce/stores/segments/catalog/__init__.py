"""Know which segments exist: list, open and merge their indexes into one view."""
