"""What a library needs of a Python process: locks, threads, background work and warnings."""
