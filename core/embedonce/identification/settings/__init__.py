"""The settings of an embedder: where they are read, which of them count, and one spelling for their values."""
