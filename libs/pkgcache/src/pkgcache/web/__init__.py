"""Downloads: who asks, how long is waited, and verified bytes from a URL.

Must never know what is in the bytes, nor where they are kept.
"""
