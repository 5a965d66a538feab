"""The package cache of a machine: verified archives and unpacked packages, fetched, counted, read back.

Knows archives, stores and downloads; must never know environments or prefixes.
"""
