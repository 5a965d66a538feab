from __future__ import annotations

import pytest

from envid.aliases import (
    Alias,
    FullRef,
    PairRef,
    PrefixRef,
    Ref,
    ReqRef,
    StepRef,
    parse_alias,
    parse_ref,
)
from envid.errors import InvalidAlias

from .helpers import ID

OTHER = "f" * 40

REFS: list[tuple[str, Ref, str]] = [
    ("team/name:v1", Alias(name="team/name", tag="v1"), "team/name:v1"),
    ("team/name", Alias(name="team/name", tag="latest"), "team/name:latest"),
    ("name:stable", Alias(name="name", tag="stable"), "name:stable"),
    ("a.b-c_d/0:1.2", Alias(name="a.b-c_d/0", tag="1.2"), "a.b-c_d/0:1.2"),
    ("deadbee", Alias(name="deadbee", tag="latest"), "deadbee:latest"),
    ("deadbeef/x", Alias(name="deadbeef/x", tag="latest"), "deadbeef/x:latest"),
    ("x" * 128, Alias(name="x" * 128, tag="latest"), "x" * 128 + ":latest"),
    ("step/x", Alias(name="step/x", tag="latest"), "step/x:latest"),
    ("step:Flow/12/start", StepRef(flow="Flow", run="12", step="start"), "step:Flow/12/start"),
    (
        "step:Flow/argo-f.x/start/7",
        StepRef(flow="Flow", run="argo-f.x", step="start", task="7"),
        "step:Flow/argo-f.x/start/7",
    ),
    (f"{ID}:{OTHER}", FullRef(req_id=ID, full_id=OTHER), f"{ID}:{OTHER}"),
    (ID, ReqRef(req_id=ID), ID),
    (ID[:8], PrefixRef(digits=ID[:8]), ID[:8]),
    (ID[:39], PrefixRef(digits=ID[:39]), ID[:39]),
    (f"{ID[:8]}:{OTHER[:12]}", PairRef(ID[:8], OTHER[:12]), f"{ID[:8]}:{OTHER[:12]}"),
    (f"{ID}:{OTHER[:39]}", PairRef(ID, OTHER[:39]), f"{ID}:{OTHER[:39]}"),
    (f"{ID[:39]}:{OTHER}", PairRef(ID[:39], OTHER), f"{ID[:39]}:{OTHER}"),
]

BROKEN = [
    ("", "it is empty", None),
    ("Team V1", "upper-case letters", "write `team-v1`"),
    ("https://a:b@h/X", "more than one colon", "names and tags are"),
    ("Team/name", "upper-case letters", "write `team/name`"),
    ("name:V1", "upper-case letters", "write `name:v1`"),
    ("name:", "the tag is empty", "leave the colon out for `latest`"),
    ("/:", "the tag is empty", "names and tags are made of"),
    (":tag", "the name is empty", "team/name:tag"),
    ("a:b:c", "more than one colon", "team/name:tag"),
    ("/name", "starts or ends with a slash", "team/name:tag"),
    ("name/", "starts or ends with a slash", "team/name:tag"),
    ("/", "starts or ends with a slash", "team/name:tag"),
    ("a//b", "two slashes in a row", "team/name:tag"),
    ("a/../b", "`..` cannot be a part of a name", "team/name:tag"),
    ("a b", "`a b` cannot be a part of a name", "team/name:tag"),
    ("-a", "`-a` cannot be a part of a name", "team/name:tag"),
    ("a:.b", "`.b` cannot be a tag", "team/name:tag"),
    ("a:b/c", "`b/c` cannot be a tag", "team/name:tag"),
    ("a:b~x", "`b~x` cannot be a tag", "write `a:b`, or, where a past one is taken, `a:b~1`"),
    ("a:b~0", "`b~0` cannot be a tag", "`a:b~1` for what it named before"),
    ("a@linux-64", "`a@linux-64` cannot be a part", "write `a`: a platform"),
    ("a\n", "cannot be a part of a name", "team/name:tag"),
    ("a\ud800", "cannot be a part of a name", "team/name:tag"),
    ("x" * 129, "cannot be a part of a name", "at most 128"),
    ("step", "`step:` begins a pathspec", "another name"),
    (f"{ID}:v1", "reads as the digits of an id", "add a word"),
    ("deadbeef:v1", "reads as the digits of an id", "add a word"),
    ("deadbeef:deadbee", "reads as the digits of an id", "add a word"),
    (f"{ID}:{OTHER}0", "reads as the digits of an id", "add a word"),
]


@pytest.mark.parametrize(("text", "ref", "back"), REFS, ids=[row[2][:20] for row in REFS])
def test_each_way_to_name_an_environment_is_told_apart(text: str, ref: Ref, back: str) -> None:
    assert parse_ref(text) == ref
    assert str(ref) == back
    assert parse_ref(back) == ref


@pytest.mark.parametrize(("text", "reason", "hint"), BROKEN, ids=[ascii(row[0]) for row in BROKEN])
def test_a_text_that_names_nothing_is_refused_with_the_reason(
    text: str, reason: str, hint: str | None
) -> None:
    for parse in (parse_ref, parse_alias):
        with pytest.raises(InvalidAlias) as caught:
            parse(text)
        assert reason in str(caught.value)
        assert str(caught.value).isprintable()
        assert (hint or "") in (caught.value.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "step:",
        "step:Flow",
        "step:Flow/1",
        "step:F/1/s/t/u",
        "step:F//s",
        "step:F/1/a b",
        "step:F/1/\0",
    ],
)
def test_a_broken_pathspec_is_refused(text: str) -> None:
    with pytest.raises(InvalidAlias, match="not a pathspec") as caught:
        parse_ref(text)
    assert "step:Flow/run/step" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "text", [ID, ID[:8], f"{ID}:{OTHER}", f"{ID[:8]}:{OTHER[:8]}", "step:Flow/1/start"]
)
def test_an_id_or_a_pathspec_cannot_be_given_as_an_alias(text: str) -> None:
    with pytest.raises(InvalidAlias):
        parse_alias(text)


def test_only_three_tags_are_mutable() -> None:
    tags = ["latest", "candidate", "stable", "v1", "prod"]
    assert [parse_alias(f"a:{tag}").mutable for tag in tags] == [True, True, True, False, False]
