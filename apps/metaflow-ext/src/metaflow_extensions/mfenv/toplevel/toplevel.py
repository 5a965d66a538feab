"""What is done when the whole of Metaflow is there."""

from metaflow import Runner as FlowAPI

from metaflow_extensions.mfenv.__about__ import __version__
from metaflow_extensions.mfenv.client import extend_client as _extend_client
from metaflow_extensions.mfenv.of_both import resolved_lock, resolved_req, resolved_uv

__all__ = [
    "FlowAPI",
    "__mf_extensions__",
    "__version__",
    "resolved_lock",
    "resolved_req",
    "resolved_uv",
]

__mf_extensions__ = "mfenv"

_extend_client()
