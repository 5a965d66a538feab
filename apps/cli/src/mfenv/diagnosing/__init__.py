"""Whether mfenv can work here: checks that read, ask and try, and change nothing."""
