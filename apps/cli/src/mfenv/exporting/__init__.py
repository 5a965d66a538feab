"""Environments as files of other tools: a module for each format, and `formats`, the table of them."""
