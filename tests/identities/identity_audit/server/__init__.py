"""The stand-in for every provider, and how requests get there."""
