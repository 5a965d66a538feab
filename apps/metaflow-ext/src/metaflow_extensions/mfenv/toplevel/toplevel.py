"""What is done when the whole of Metaflow is there."""

from metaflow import Runner as FlowAPI

from metaflow_extensions.mfenv.__about__ import __version__
from metaflow_extensions.mfenv.client import extend_client as _extend_client

__all__ = ["FlowAPI", "__mf_extensions__", "__version__"]

__mf_extensions__ = "mfenv"

_extend_client()
