"""How embedders are made and asked."""
