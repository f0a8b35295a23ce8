"""The files of a model, and in what a loaded one differs from them."""
