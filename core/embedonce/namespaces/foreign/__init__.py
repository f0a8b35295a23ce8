"""Namespaces in byte stores that are not of embedonce."""
