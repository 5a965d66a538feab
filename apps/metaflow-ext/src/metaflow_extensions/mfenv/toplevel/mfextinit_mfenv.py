"""What `metaflow` says of this extension, its name and its version, and what it loads at its end."""

from metaflow_extensions.mfenv.__about__ import __version__

__all__ = ["__mf_extensions__", "__version__", "toplevel"]

__mf_extensions__ = "mfenv"

toplevel = "toplevel"
