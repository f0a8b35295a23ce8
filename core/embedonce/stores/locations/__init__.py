"""Locations: what a user names as the place of a store."""
