"""Objects under keys, in a directory or at a service: one protocol, and what speaks it.

Knows how each service is asked and where objects lie; must never know what an object means.
"""
