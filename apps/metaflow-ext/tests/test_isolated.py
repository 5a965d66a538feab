"""mfenv's process, and what it takes from Metaflow's processes of other releases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaflow_extensions.mfenv import answers, isolated, serving
from metaflow_extensions.mfenv.command_records import ANSWERED_BY_METAFLOW, ANSWERED_BY_MFENV

if TYPE_CHECKING:
    from collections.abc import Iterable

PROGRAM = Path(isolated.__file__)
FACTS = {
    "configured": {},
    "datastores": ["local"],
    "default_datastore": "local",
    "sysroots": {"local": None},
    "azure_endpoint": None,
    "s3_endpoint": None,
    "needs": {},
    "around": {},
}


def asked(folder: Path, *messages: dict[str, Any], count: int = 0) -> tuple[list[Any], str, int]:
    """What is answered to messages, what is said on standard error, and the exit status."""
    theirs, ours = os.pipe()
    read, write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-I", str(PROGRAM), str(theirs), str(write)],
        pass_fds=(theirs, write),
        stderr=subprocess.PIPE,
        cwd=folder,
        text=True,
    ) as process:
        os.close(theirs)
        os.close(write)
        with os.fdopen(ours, "w") as requests, os.fdopen(read) as replies:
            requests.write(lines(messages))
            requests.flush()
            told = [json.loads(replies.readline()) for _ in range(count)]
            if not count:
                process.wait()
        _, said = process.communicate()
    return told, said, process.returncode


def lines(messages: Iterable[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(message)}\n" for message in messages)


def call(**rest: Any) -> dict[str, Any]:
    arguments = {"kind": "requirements.txt", "content": "numpy>=2\n"}
    return {
        "call": 7,
        "function": "parse",
        "arguments": arguments,
        "environ": dict(os.environ),
        "directory": str(Path.cwd()),
        "facts": FACTS,
        **rest,
    }


def test_every_question_has_who_answers_it() -> None:
    assert serving._MODULES.keys() == ANSWERED_BY_MFENV.keys()
    for name in serving._MODULES:
        assert callable(serving._function(name))
    assert answers._FUNCTIONS.keys() == ANSWERED_BY_METAFLOW.keys()


def test_variables_are_taken_over_while_other_calls_read_them() -> None:
    before, interval = dict(os.environ), sys.getswitchinterval()
    absent, stop = [], threading.Event()

    def read() -> None:
        while not stop.is_set():
            absent.extend([] if "PATH" in os.environ else ["PATH"])

    reader = threading.Thread(target=read)
    sys.setswitchinterval(1e-6)
    reader.start()
    try:
        for number in range(300):
            serving._take_over_variables({**before, f"MFENV_TEST_{number}": "x"})
            assert f"MFENV_TEST_{number - 1}" not in os.environ
    finally:
        stop.set()
        reader.join()
        sys.setswitchinterval(interval)
        serving._take_over_variables(before)
    assert not absent
    assert dict(os.environ) == before


def test_messages_without_a_version_are_understood(tmp_path: Path) -> None:
    (answer,), said, _ = asked(tmp_path, {"paths": []}, call(), count=1)
    assert answer == {"version": 1, "call": 7, "result": {"packages": {"numpy": ">=2"}}}
    assert said == ""


def test_an_unknown_version_is_refused_by_name(tmp_path: Path) -> None:
    for messages in ([{"version": 99, "paths": []}], [{"paths": []}, call(version=99)]):
        _, said, status = asked(tmp_path, *messages)
        assert said.startswith(
            "error: a record has the version 99, and this metaflow-mfenv reads 1"
        )
        assert status == 1


def test_an_unknown_field_is_refused_by_name(tmp_path: Path) -> None:
    _, said, status = asked(tmp_path, {"paths": []}, call(colour=1))
    assert "`Call` has a field `colour`" in said
    assert status == 1
    arguments = {"kind": "requirements.txt", "content": "", "colour": 1}
    (answer,), _, _ = asked(tmp_path, {"paths": []}, call(arguments=arguments), count=1)
    assert answer["error"].startswith("`Parse` has a field `colour`")
