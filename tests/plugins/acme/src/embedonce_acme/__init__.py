"""embedonce for Acme: an adapter, a key encoder, a codec and a store."""
