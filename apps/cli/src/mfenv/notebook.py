"""Environments as kernels of Jupyter, by the files that Jupyter looks for.

A kernel spec is a directory `kernels/NAME` with a `kernel.json` in a data directory of Jupyter; see
"Making kernels for Jupyter" in the documentation of jupyter_client. Jupyter itself is not needed to
write it.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from typing import TYPE_CHECKING

from envid.platforms import host_platform
from mfenv.kernels import data_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envid.resolved import ResolvedEnv
    from mfenv.environments import Environments

__all__ = ["install_kernel", "with_ipykernel"]

_KERNEL = "ipykernel"


def with_ipykernel(environments: Environments, name: str) -> ResolvedEnv:
    """The environment that `name` names, or one derived from it that has ipykernel too.

    Raises what finding and resolving raise.
    """
    from mfenv.request import Request

    host = host_platform()
    (env,) = environments.find(name, (host,))
    if any(package.name == _KERNEL for package in env.packages):
        return env
    asked = Request(
        using=str(env.env_id.ref),
        platforms=(host,),
        pypi=(_KERNEL,) if env.env_type == "pypi-only" else (),
        conda=() if env.env_type == "pypi-only" else (_KERNEL,),
    )
    return environments.resolve(asked).envs[0]


def install_kernel(
    prefix: Path,
    title: str,
    *,
    variables: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Path:
    """Make a prefix that has ipykernel a kernel of this user's Jupyter; return its directory.

    Jupyter shows `title`; the kernel's own name is made of its letters and digits, and a kernel of
    that name is replaced. Processes of the kernel find the prefix on PATH, and have `variables`.
    `directory` is a data directory of Jupyter, by default that of this user.
    """
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    kernels = (directory or data_directory()) / "kernels"
    kernels.mkdir(parents=True, exist_ok=True)
    place = kernels / name
    beside = kernels / f".{name}.{secrets.token_hex(4)}.new"
    beside.mkdir()
    spec = {
        "argv": [f"{prefix}/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": title,
        "language": "python",
        # Jupyter puts the value that it has itself in the place of `${PATH}`.
        "env": {"PATH": f"{prefix}/bin:${{PATH}}", **(variables or {})},
        # As in the kernel that ipykernel installs itself: by it JupyterLab offers its debugger.
        "metadata": {"debugger": True},
    }
    (beside / "kernel.json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
    # No directory takes the place of another that has something in it.
    shutil.rmtree(place, ignore_errors=True)
    beside.rename(place)
    return place
