"""The commands, in modules that import nothing heavy, so that `--help` is quick."""
