"""How embedders send the texts of a call: the size of their requests, and calls that send several at once."""
