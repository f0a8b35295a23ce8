"""Plugins: finding, loading and asking them."""
