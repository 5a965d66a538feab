"""What a container runs before a task: it creates the task's environment from the store alone.

`python -m metaflow_extensions.mfenv.bootstrap STEP DATASTORE [NAME]` needs what Metaflow itself has
put there: its code package, and the library of its datastore. It has mfenv fetched from the store,
and has it create the environment of the step, or the one that NAME names by now; then it writes what
the shell must export into `mfenv_exports.sh`.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from metaflow_extensions.mfenv.descriptions import DESCRIPTIONS, descriptions
from metaflow_extensions.mfenv.fetching import Failed

__all__ = ["main"]

_OLDEST = (3, 10)


def main(arguments: list[str]) -> None:
    """Create the environment of a step; the only output are lines of progress."""
    started = time.time()
    step, datastore = arguments[:2]
    try:
        _check_python()
        document = _document()
        # What a run that the task starts must ask for the same by.
        told = {f"MFENV_{key.upper()}": text for key, text in document["settings"].items()}
        added = {name: text for name, text in told.items() if name not in os.environ}
        home = Path(os.environ.get("MFENV_HOME") or ".mfenv").absolute()
        added.update(MFENV_HOME=str(home), MFENV_STORE=_store(document["store"]))
        os.environ.update(added)
        created = _created(document, step, datastore, "".join(arguments[2:]))
        _write(created, added)
    except Failed as error:
        sys.exit(f"Environment of step `{step}`: {error}")
    except OSError as error:
        sys.exit(f"Environment of step `{step}`: {error}; let this task write into its directory")
    ids = ":".join(one[:12] for one in created["env_id"][:2])
    took, fetching = time.time() - started, created["fetching"]
    sys.stdout.write(
        f"Environment {ids} ready in {took:.1f} s: {fetching:.1f} s to fetch mfenv,"
        f" {took - fetching:.1f} s to create it\n"
    )


def _check_python() -> None:
    if sys.version_info < _OLDEST:
        raise Failed(
            f"this image has Python {_version(sys.version_info)}, and creating environments needs"
            f" {_version(_OLDEST)} or newer; choose an image with a newer `python` (the environment"
            " brings its own for the step)"
        )


def _version(numbers: Any) -> str:
    return f"{numbers[0]}.{numbers[1]}"


def _document() -> dict[str, Any]:
    document = descriptions()
    if not document:
        raise Failed(f"the code package has no `{DESCRIPTIONS}`; start the run again")
    if "runtime" not in document:
        raise Failed("the run was started without a store; set MFENV_STORE, and start it again")
    return document


def _store(url: str) -> str:
    """The store's URL as it is reached from here: where S3 is, this machine may know better."""
    endpoint = os.environ.get("METAFLOW_S3_ENDPOINT_URL")
    if os.environ.get("MFENV_STORE"):
        return os.environ["MFENV_STORE"]
    if not url.startswith("s3://") or not endpoint:
        return url
    bare, _, query = url.partition("?")
    options = [one for one in query.split("&") if one and not one.startswith("endpoint=")]
    return f"{bare}?{'&'.join([*options, 'endpoint=' + quote(endpoint, safe=':/')])}"


def _created(document: dict[str, Any], step: str, datastore: str, name: str) -> dict[str, Any]:
    from metaflow_extensions.mfenv.bridge import EnvironmentFailed, call
    from metaflow_extensions.mfenv.names import expand

    described = []
    if name:
        try:
            name = expand(name, os.environ)
        except KeyError as error:
            raise Failed(
                f"there is no variable {error.args[0]} to put into `{name}`; set it in the container"
            ) from None
    else:
        req_id, full_id, target = document["steps"][step]["env_id"]
        name = f"{req_id}:{full_id}"
        described = [document["environments"][f"{name}@{target}"]]
    try:
        created: dict[str, Any] = call(
            "prepare",
            _say,
            name=name,
            datastore=datastore,
            runtime=document["runtime"],
            descriptions=described,
        )
    except EnvironmentFailed as error:
        raise Failed(error.message.replace("\nhint: ", "; ")) from None
    return created


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _write(created: dict[str, Any], added: dict[str, str]) -> None:
    from metaflow.plugins.env_escape import generate_trampolines

    from metaflow_extensions.mfenv.bridge import OUTSIDE, outside
    from metaflow_extensions.mfenv.environment import EXPORTS, PYTHON, VARIABLE

    trampolines = Path("_escape_trampolines").absolute()
    trampolines.mkdir(exist_ok=True)
    generate_trampolines(str(trampolines))
    where = outside()
    lines = {
        **created["variables"],
        PYTHON: created["python"],
        VARIABLE: json.dumps(created["env_id"]),
        "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(trampolines)]),
        "PYTHONNOUSERSITE": "1",
        OUTSIDE: json.dumps({**where, "paths": [*created["paths"], *where["paths"]]}),
        "METAFLOW_ENV_ESCAPE_PY": sys.executable,
        "METAFLOW_ENV_ESCAPE_PATHS": os.pathsep.join(map(os.path.abspath, sys.path)),
        **added,
    }
    text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(lines.items()))
    Path(EXPORTS).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
