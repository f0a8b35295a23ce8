"""Namespaces: the vectors of one identity, wherever they are kept."""
