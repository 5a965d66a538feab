"""A Dockerfile for an image with an environment, made from the store by mfenv itself.

What makes it stays in a stage of its own: the image has the environment at `/opt/env`, and nothing
else. Where the store is, and a login for it, is given to the build and written nowhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mfenv.errors import NotExportable
from mfenv.exporting.exported import Exported, heading, one_platform, what_systems_need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envid.resolved import ResolvedEnv

__all__ = ["write"]

_FORM = "dockerfile"
_MACHINES = {"linux-64": "linux/amd64", "linux-aarch64": "linux/arm64"}
# The releases of Debian that images of Python are made of, with their glibc.
# The oldest first, so that an image runs wherever it can.
_DEBIANS = {"bookworm": (2, 36), "trixie": (2, 41)}
# Any that mfenv runs on: where Python is conda's, the environment brings its own.
_USUAL = "3.12"
_OLDEST = (3, 10)

_TEXT = """\
# syntax=docker/dockerfile:1
{heading}
#
#   docker build --build-arg MFENV_STORE=URL -t NAME - < Dockerfile
#
# The store has to have the environment (`mfenv publish`). `--build-arg MFENV_PACKAGE=mfenv[s3]`
# brings what another kind of store needs, `--secret id=store,src=FILE` its login: a file of
# lines such as AWS_ACCESS_KEY_ID=..., of which nothing is kept.
# The packages are of one platform, whichever machine builds.
# hadolint ignore=DL3029
FROM --platform={machine} {image} AS made
ARG MFENV_PACKAGE=mfenv
RUN python3 -m venv /opt/mfenv \\
    && /opt/mfenv/bin/pip install --no-cache-dir "$MFENV_PACKAGE"
ARG MFENV_STORE
RUN --mount=type=secret,id=store \\
    if [ -f /run/secrets/store ]; then set -a; . /run/secrets/store; set +a; fi; \\
    MFENV_STORE="${{MFENV_STORE:?give it with --build-arg}}" MFENV_HOME=/opt/mfenv/home \\
    /opt/mfenv/bin/mfenv create {env} --prefix /opt/env

# hadolint ignore=DL3029
FROM --platform={machine} {image}
COPY --from=made /opt/env /opt/env
ENV PATH="/opt/env/bin:$PATH"
"""


def write(envs: Sequence[ResolvedEnv]) -> Exported:
    """An image with an environment.

    Raises `NotExportable` for several platforms, and where no image has what the environment needs.
    """
    env = one_platform(envs, "an image")
    if env.platform not in _MACHINES:
        raise NotExportable(
            f"there are no images of {env.platform}",
            f"choose {' or '.join(_MACHINES)} with `--platform`, resolved for it if need be",
        )
    text = _TEXT.format(
        heading="\n".join(heading(envs)),
        machine=_MACHINES[env.platform],
        image=f"python:{_python(env)}-slim-{_debian(env)}",
        env=str(env.env_id.ref),
    )
    notes = [*what_systems_need(envs, _FORM)]
    if env.spec.options.python_provider == "conda":
        notes.append(f"{_FORM} runs no activation scripts of conda packages")
    return Exported(text=text, notes=tuple(notes))


def _python(env: ResolvedEnv) -> str:
    """The series of the image's Python: any that mfenv runs on, or else that of the environment."""
    if env.spec.options.python_provider == "conda":
        return _USUAL
    major, minor = env.python.split(".")[:2]
    if (int(major), int(minor)) < _OLDEST:
        raise NotExportable(
            f"the environment is for Python {env.python} of the system, on which mfenv does not run",
            "resolve it with `--python-provider conda`",
        )
    return f"{major}.{minor}"


def _debian(env: ResolvedEnv) -> str:
    from resolvers.targets import needed_glibc

    systems = env.spec.for_platform(env.platform).get("sys", ())
    stated = filter(None, (re.match(r"__glibc=(\d+)\.(\d+)", text) for text in systems))
    needed = [(0, 0), *((int(floor[1]), int(floor[2])) for floor in stated)]
    # A wheel that was built may need more than its request has as a floor.
    wheels = (package.filename for package in env.packages if package.kind == "pypi")
    needed += filter(None, map(needed_glibc, wheels))
    for debian, glibc in _DEBIANS.items():
        if glibc >= max(needed):
            return debian
    raise NotExportable(
        f"it needs glibc {'.'.join(map(str, max(needed)))}, which no image of Python has",
        "resolve it for an older one, such as `--sys __glibc=2.36`",
    )
