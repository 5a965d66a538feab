"""See the README for the public names."""
