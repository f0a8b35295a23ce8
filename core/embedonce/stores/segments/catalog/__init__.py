"""Which segments there are."""
