"""What descriptions say: the graph of an environment, ways through it, what differs, what has what."""
