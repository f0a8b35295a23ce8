"""embedonce measured with its alternatives and with the lower bound, the floor; `python -m benchmarks`."""
