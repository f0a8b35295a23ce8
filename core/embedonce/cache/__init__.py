"""The cache: the steps of a call, single-flight, health of the store, and `EmbeddingCache`."""
