"""embedonce measured beside what a user would pick instead, and beside the floor; `python -m benchmarks`."""
