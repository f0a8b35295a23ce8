"""Plugins: find, load and call each on its own; what they register by name."""
