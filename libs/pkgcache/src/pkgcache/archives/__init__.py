"""The formats of packages: conda packages and wheels, checked, listed, unpacked, transmuted.

Knows bytes and files; must never know a cache, a store, a prefix or who asks.
"""
