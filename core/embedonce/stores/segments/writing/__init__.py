"""Write rows: group them by kind, let a few wait for more, publish segments, merge small ones."""
