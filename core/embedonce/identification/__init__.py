"""Finding out what an embedder of any framework computes; for adapters."""
