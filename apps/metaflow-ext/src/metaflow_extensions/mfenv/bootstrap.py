"""What a container runs before a task: it creates the task's environment from the store alone.

`python -m metaflow_extensions.mfenv.bootstrap STEP DATASTORE [NAME]` needs what Metaflow itself has
put there: its code package, and the library of its datastore. It has mfenv fetched from the store,
and has it create the environment of the step, or the one that NAME names by now; then it writes what
the shell must export into `mfenv_exports.sh`.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Sequence
from urllib.parse import quote

from metaflow_extensions.mfenv import encoding
from metaflow_extensions.mfenv.command_records import Prepare
from metaflow_extensions.mfenv.descriptions import DESCRIPTIONS, descriptions
from metaflow_extensions.mfenv.fetching import Failed
from metaflow_extensions.mfenv.messages import Outside

if TYPE_CHECKING:
    from metaflow_extensions.mfenv.command_records import ContainerInterpreter
    from metaflow_extensions.mfenv.run_records import FlowEnvironments, Runtime

__all__ = ["main"]

# Of those that a runtime has wheels for, `mfenv.runtime.PYTHONS`.
_OLDEST = (3, 10)


def main(arguments: list[str]) -> None:
    """Create the environment of a step; the only output are lines of progress."""
    started = time.time()
    step, datastore = arguments[:2]
    try:
        _check_python()
        package, runtime = _package()
        # What a run that the task starts must ask for the same by.
        handed_on = {f"MFENV_{key.upper()}": text for key, text in package.settings.items()}
        # What the container itself says comes first.
        added = {name: text for name, text in handed_on.items() if name not in os.environ}
        home = Path(os.environ.get("MFENV_HOME") or ".mfenv").absolute()
        added.update(MFENV_HOME=str(home), MFENV_STORE=_store(package.store))
        os.environ.update(added)
        name = "".join(arguments[2:])
        interpreter = _created(_asked(package, runtime, step, datastore, name))
        _write(interpreter, added)
    except Failed as error:
        sys.exit(f"Environment of step `{step}`: {error}")
    except encoding.NotUnderstood as error:
        sys.exit(f"Environment of step `{step}`: `{DESCRIPTIONS}`: {error}; {error.hint}")
    except OSError as error:
        sys.exit(f"Environment of step `{step}`: {error}; let this task write into its directory")
    took, fetching = time.time() - started, interpreter.fetching
    sys.stdout.write(
        f"Environment {interpreter.env_id.short} ready in {took:.1f} s: {fetching:.1f} s to fetch mfenv,"
        f" {took - fetching:.1f} s to create it\n"
    )


def _check_python() -> None:
    if sys.version_info < _OLDEST:
        raise Failed(
            f"this image has Python {_version(sys.version_info)}, and creating environments needs"
            f" {_version(_OLDEST)} or newer; choose an image with a newer `python` (the environment"
            " brings its own for the step)"
        )


def _version(numbers: Sequence[object]) -> str:
    return f"{numbers[0]}.{numbers[1]}"


def _package() -> tuple[FlowEnvironments, Runtime]:
    package = descriptions()
    if not package:
        raise Failed(f"the code package has no `{DESCRIPTIONS}`; start the run again")
    if not package.runtime:
        raise Failed("the run was started without a store; set MFENV_STORE, and start it again")
    return package, package.runtime


def _store(url: str) -> str:
    """The store's URL as it is reached from here: where S3 is, this machine may know better."""
    endpoint = os.environ.get("METAFLOW_S3_ENDPOINT_URL")
    # What this machine was told of the store itself is more than what it was told of S3.
    if os.environ.get("MFENV_STORE"):
        return os.environ["MFENV_STORE"]
    if not url.startswith("s3://") or not endpoint:
        return url
    bare, _, query = url.partition("?")
    # The endpoint of where the run was started, which need not be reached from here.
    options = [text for text in query.split("&") if text and not text.startswith("endpoint=")]
    return f"{bare}?{'&'.join([*options, 'endpoint=' + quote(endpoint, safe=':/')])}"


def _asked(
    package: FlowEnvironments, runtime: Runtime, step: str, datastore: str, name: str
) -> Prepare:
    from metaflow_extensions.mfenv.names import expand

    if name:
        try:
            name = expand(name, os.environ)
        except KeyError as error:
            raise Failed(
                f"there is no variable {error.args[0]} to put into `{name}`; set it in the container"
            ) from None
        return Prepare(datastore=datastore, name=name, runtime=runtime, descriptions=())
    env_id = package.steps[step].env_id
    if not env_id:
        raise Failed(f"`{DESCRIPTIONS}` names no environment for it; start the run again")
    return Prepare(
        datastore=datastore,
        name=env_id.name,
        runtime=runtime,
        descriptions=(package.environments[str(env_id)],),
    )


def _created(asked: Prepare) -> ContainerInterpreter:
    from metaflow_extensions.mfenv.bridge import call
    from metaflow_extensions.mfenv.failures import EnvironmentFailed

    try:
        return call(asked, _say)
    except EnvironmentFailed as error:
        raise Failed(error.message.replace("\nhint: ", "; ")) from None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _write(interpreter: ContainerInterpreter, added: dict[str, str]) -> None:
    from metaflow.plugins.env_escape import generate_trampolines

    from metaflow_extensions.mfenv.bridge import OUTSIDE, outside
    from metaflow_extensions.mfenv.conda_environment import EXPORTS, PYTHON, VARIABLE

    # What the environment imports and only this Python has, Metaflow answers from here.
    trampolines = Path("_escape_trampolines").absolute()
    # A container may be started again where it was.
    trampolines.mkdir(exist_ok=True)
    generate_trampolines(str(trampolines))
    where = outside()
    lines = {
        **interpreter.variables,
        PYTHON: interpreter.python,
        VARIABLE: encoding.write(interpreter.env_id),
        "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(trampolines)]),
        # What the image's user has installed must not decide what a step imports.
        "PYTHONNOUSERSITE": "1",
        OUTSIDE: encoding.write(
            Outside(
                python=where.python,
                program=where.program,
                paths=(*interpreter.paths, *where.paths),
            )
        ),
        "METAFLOW_ENV_ESCAPE_PY": sys.executable,
        "METAFLOW_ENV_ESCAPE_PATHS": os.pathsep.join(map(os.path.abspath, sys.path)),
        **added,
    }
    text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(lines.items()))
    Path(EXPORTS).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
