"""Drivers of fsspec: their settings, the meaning of their errors, and retries."""
