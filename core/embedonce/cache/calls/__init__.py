"""What one call does, step by step, written once for sync and async callers."""
