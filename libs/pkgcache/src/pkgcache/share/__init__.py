"""What a team shares through a store: environments, their names, built wheels; publishing and sweeping.

Knows the order in which things become visible; must never make a prefix.
"""
