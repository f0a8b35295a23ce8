"""Namespaces: the vectors of one identity, in a segment store or any other byte store."""
