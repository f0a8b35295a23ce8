"""What may choose a model besides the URL and the body of a request: its headers and its query."""
