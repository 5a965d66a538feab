"""Lock files of a repository: what they hold, and their text, written and read without any input or output."""
