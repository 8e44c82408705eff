"""Training of the neural retrievers."""
