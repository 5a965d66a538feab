"""Locks of other tools as environments: what is read of them, which Python, the spec, staleness."""
