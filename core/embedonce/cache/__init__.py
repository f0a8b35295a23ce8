"""The cache: what one call does, step by step, and the class that users see."""
