"""What a step can see of the environment that it runs in."""

import json
import os
import subprocess
import sys

OUTSIDE = os.environ["OUTSIDE_PREFIX"]
HOME = os.environ["MFENV_HOME"]


def check(python=None, *, conda=True):
    """Fail unless this process, and one that it starts, run in an environment of mfenv."""
    prefix = sys.prefix
    assert prefix.startswith(os.path.join(HOME, "envs")), prefix
    assert python is None or sys.version.startswith(python), sys.version
    assert os.environ["PATH"].split(os.pathsep)[0] == os.path.join(prefix, "bin")
    assert os.environ["PYTHONNOUSERSITE"] == "1"
    assert "VIRTUAL_ENV" not in os.environ or os.environ["VIRTUAL_ENV"] in ("", prefix)
    libraries = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    assert (os.path.join(prefix, "lib") in libraries) == conda, libraries
    for path in sys.path:
        assert not path.startswith(OUTSIDE + os.sep), sys.path
    code = "import sys, metaflow, inside; print(sys.prefix)"
    # Elsewhere, so that it is not the working directory that lets it find things.
    done = subprocess.run(
        ["python", "-c", code], stdout=subprocess.PIPE, check=True, cwd="/", universal_newlines=True
    )
    assert done.stdout.strip() == prefix, done.stdout
    return prefix


def absent(*names):
    for name in names:
        try:
            __import__(name)
        except ImportError:
            continue
        raise AssertionError(name + " can be imported")


def imported_from_here(*modules):
    for module in modules:
        assert module.__file__.startswith(sys.prefix), module.__file__


def tell(**facts):
    """Let the test know something."""
    with open(os.environ["TOLD"], "a") as file:
        file.write(json.dumps(facts) + "\n")
