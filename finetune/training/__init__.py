"""Training of the adapters, and the record that each one keeps."""
