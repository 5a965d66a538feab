"""Editing files that say what is asked for: all that is not meant stays as it was."""
