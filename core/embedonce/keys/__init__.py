"""Keys: from a role and a text to the name of a stored vector; key encoders."""
