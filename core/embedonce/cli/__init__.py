"""The command line of embedonce."""

from embedonce.cli.app import main

__all__ = ["main"]
