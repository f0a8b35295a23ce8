"""The fields of embedders: all, those that count, those that a class ignores, and copies to compare with later."""
