"""Open segment files and keep copies of distant ones on this machine."""
