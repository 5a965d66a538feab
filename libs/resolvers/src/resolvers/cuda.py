"""The CUDA driver of this machine, which no resolver looks at by itself."""

from __future__ import annotations

import ctypes
import os

__all__ = ["cuda_version"]

# In WSL the driver is that of Windows, in a directory that the loader may not look in.
_DRIVERS = ("libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1")


def cuda_version() -> str | None:
    """The newest CUDA that the driver of this machine supports, such as `12.4`; None without a driver.

    `CONDA_OVERRIDE_CUDA` is believed in its place, as conda does; empty, it says there is none.
    """
    stated = os.environ.get("CONDA_OVERRIDE_CUDA")
    if stated is not None:
        return stated.strip() or None
    for name in _DRIVERS:
        number = ctypes.c_int()
        try:
            failed = ctypes.CDLL(name).cuDriverGetVersion(ctypes.byref(number))
        except (OSError, AttributeError):  # it is not there, or it is something else
            continue
        if not failed and number.value > 0:
            # 12040 is 12.4.
            return f"{number.value // 1000}.{number.value % 1000 // 10}"
    return None
