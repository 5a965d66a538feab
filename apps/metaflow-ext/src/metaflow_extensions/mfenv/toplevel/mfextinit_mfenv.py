"""What `metaflow` says of this extension: its name and its version."""

from metaflow_extensions.mfenv.__about__ import __version__

__all__ = ["__mf_extensions__", "__version__"]

__mf_extensions__ = "mfenv"
