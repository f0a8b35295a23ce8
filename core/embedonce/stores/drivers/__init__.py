"""fsspec drivers: their settings, their faults, and trying again."""
