"""Open segment files, and copies of them on this machine."""
