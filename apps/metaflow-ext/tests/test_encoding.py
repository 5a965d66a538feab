"""Records, and what users write in decorators, on their way between processes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.mfenv import command_records, messages, records, run_records
from metaflow_extensions.mfenv._values import read
from metaflow_extensions.mfenv.encoding import (
    VERSION,
    NotUnderstood,
    answer,
    write,
)
from metaflow_extensions.mfenv.encoding import read as read_text
from metaflow_extensions.mfenv.messages import Answer, Ask, Call, Line, Outside
from metaflow_extensions.mfenv.records import EnvId, Record, StepEnvironment
from metaflow_extensions.mfenv.run_records import Create, FlowEnvironments, Interpreter, Statement
from mfenv.errors import InvalidRequest

SOURCE = Path(records.__file__).parents[2]
PYTHONS = [
    sys.executable,
    *map(str, sorted(Path.home().glob(".pyenv/versions/3.8.*/bin/python"))),
]
# With text on which a reader that splits, quotes or marks something would stumble.
TEXT = st.sampled_from(["", "a", "é\n", "\\", '"', "\0items", "version"]) | st.text(max_size=5)
PLAIN = st.none() | st.booleans() | st.integers() | TEXT | st.floats(allow_nan=False)
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=4
)
# What users write is marked by names that these would take for theirs.
WRITTEN = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.none() | st.integers(), inner)
)
MODULES = (command_records, messages, records, run_records)
KINDS: list[Any] = sorted(
    {kind for module in MODULES for kind in vars(module).values() if is_dataclass(kind)},
    key=lambda kind: kind.__name__,
)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Anything that a field of this type may hold."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Union:
        return st.none() | values(inner[0])
    if origin in (list, tuple):
        return st.lists(values(inner[0]), max_size=2).map(origin)
    if origin is dict:
        return st.dictionaries(TEXT, values(inner[1]), max_size=2)
    if kind is EnvId:
        return st.builds(EnvId, TEXT, TEXT, TEXT)
    if kind in KINDS:
        return anything_of(kind)
    simple: dict[Any, st.SearchStrategy[Any]]
    simple = {str: TEXT, int: st.integers(), bool: st.booleans(), float: st.floats(allow_nan=False)}
    # The rest are data of others: of users, of questions and answers, of envid.
    others: dict[Any, st.SearchStrategy[Any]] = {**simple, object: WRITTEN, Any: JSON}
    return others[kind] if kind in others else st.dictionaries(TEXT, JSON, max_size=2)


def anything_of(kind: Any) -> st.SearchStrategy[Record]:
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: values(hints[field.name]) for field in fields(kind)})


@pytest.mark.slow
@given(st.one_of([anything_of(kind) for kind in KINDS]))
def test_every_record_is_read_as_it_was_written(record: Record) -> None:
    text = write(record)
    assert "\n" not in text
    assert json.loads(text)["version"] == VERSION
    assert read_text(text, type(record)) == record


@pytest.mark.slow
@given(anything_of(Call) | anything_of(Line) | anything_of(Answer) | anything_of(Ask))
def test_messages_are_told_from_each_other(message: Record) -> None:
    kinds = (Line, Answer, Ask, Call)
    assert read_text(write(message), *kinds) == message


def test_the_first_version_has_no_number_and_defaults_are_left_out() -> None:
    text = '{"environments":{},"steps":{"a":{},"b":{"env_id":["r","f","linux-64"]}}}'
    steps = {"a": StepEnvironment(), "b": StepEnvironment(env_id=EnvId("r", "f", "linux-64"))}
    record = FlowEnvironments(steps=steps, environments={})
    assert read_text(text, FlowEnvironments) == record
    assert json.loads(write(record)) == {"version": 1, **json.loads(text)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"version":2,"python":"","program":"","paths":[]}',
            "a record has the version 2, and this metaflow-mfenv reads 1",
        ),
        (
            '{"python":"","program":"","paths":[],"colour":1}',
            "`Outside` has a field `colour`, which is not known here",
        ),
        ('{"python":"","program":""}', "`Outside` has no field `paths`"),
        ('{"python":1,"program":"","paths":[]}', "`Outside.python` is a int"),
        ('{"python":"","program":"","paths":[["a"]]}', "`Outside.paths` is a list"),
        ("[]", "`Outside` is a list"),
        ('{"python', "is not JSON"),
    ],
)
def test_what_another_release_has_written_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        read_text(text, Outside)
    assert said in str(caught.value)
    assert caught.value.hint


def test_a_step_may_have_any_name() -> None:
    steps = {"version": {"linux-64": 2}}
    assert read_text(write(steps), dict[str, dict[str, int]]) == steps


def test_answers_are_what_questions_are_for() -> None:
    interpreter = Interpreter(env_id=EnvId("r", "f", "p"), python="python", variables={"a": "b"})
    question = Create(datastore="local", name="r:f")
    assert answer(question, json.loads(write([interpreter]))[0]) == interpreter
    with pytest.raises(NotUnderstood, match="answer of create"):
        answer(question, None)


@pytest.mark.parametrize("python", PYTHONS)
def test_records_need_nothing_but_the_standard_library(python: str, tmp_path: Path) -> None:
    """Not Metaflow either: neither of the processes has it yet when it reads the first of them."""
    (tmp_path / "metaflow_extensions").symlink_to(SOURCE / "metaflow_extensions")
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from metaflow_extensions.mfenv import command_records, encoding, messages\n"
        "from metaflow_extensions.mfenv import records, run_records\n"
        "ours = {name for name in sys.modules if name.startswith('metaflow')}\n"
        "assert len(ours) == 8, ours\n"
        "modules = (command_records, messages, records, run_records)\n"
        "kinds = [kind for one in modules for kind in vars(one).values() if isinstance(kind, type)]\n"
        "for kind in kinds:\n"
        "    if hasattr(kind, '__dataclass_fields__'):\n"
        "        assert encoding._fields(kind) or kind is command_records.LocalRoot\n"
        "step = records.StepEnvironment(env_id=records.EnvId('r', 'f', 'p'))\n"
        "flow = run_records.FlowEnvironments(steps={'a': step}, environments={})\n"
        "assert encoding.read(encoding.write(flow), run_records.FlowEnvironments) == flow\n"
    )
    done = subprocess.run(
        [python, "-I", "-S", "-B", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def sent(value: Any) -> Any:
    text = write(Statement(kind="", level="", place="", attributes={"a": value}))
    return read_text(text, Statement).attributes["a"]


KEYS = st.none() | st.booleans() | st.integers() | st.text()
WHATEVER = KEYS | st.floats(allow_nan=False)


@pytest.mark.slow
@given(st.recursive(WHATEVER, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_what_json_has_arrives_as_it_was(value: Any) -> None:
    assert sent(value) == value


@pytest.mark.parametrize(
    "attributes",
    [
        {"packages": {"a"}},
        {"packages": {1: "2"}},
        {"packages": {("a", "b"): "2"}},
        {"packages": {("a", ("b", "c")): "2"}},
        {"packages": {"a": Decimal("1.2")}},
        {"packages": {"a": b"1.2"}},
        {"packages": {"a": None}},
        {"python": b"3.12"},
        {"channels": {"a"}},
        {"channels": [object]},
        {"disabled": Decimal(2)},
    ],
)
def test_what_is_refused_is_refused_in_the_same_words(attributes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as here:
        read("conda", "@conda", attributes)
    with pytest.raises(InvalidRequest) as there:
        read("conda", "@conda", {key: sent(value) for key, value in attributes.items()})
    assert (str(there.value), there.value.hint) == (str(here.value), here.value.hint)
