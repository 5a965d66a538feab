"""Environments on disk: packages of the cache laid out in a prefix that appears when it is whole.

Must never choose a package, nor move one over a network.
"""
