"""Whatever py-rattler says, it becomes an error of ours, and no login is in it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from envid.redaction import redact
from envid.spec import EnvSpec, Source
from resolvers._conda_diagnosis import diagnose
from resolvers._conda_question import CondaQuestion, python_spec
from resolvers.channels import CHANNEL_ALIAS, channel_urls, with_channel_urls
from resolvers.errors import IndexUnreachable, ResolveError
from resolvers.request import ResolveContext

CONTEXT = ResolveContext(cache_dir=Path("/nowhere"), origins={"a>=1": "env.yml:2"})
QUESTION = CondaQuestion.make(
    EnvSpec.make(
        requirements={"conda": ["a>=1"]},
        python="3.11",
        sources=[Source.make("channel", "https://c.test/x")],
    ),
    "linux-64",
    CONTEXT,
    alias=CHANNEL_ALIAS,
    format_=".conda",
)
# The pieces that the engine's messages are made of, put together at random.
PIECES = st.sampled_from(
    [
        "Cannot solve the request because of: ",
        "The following packages are incompatible",
        "No candidates were found for a >=1.",
        "└─ a * can be installed with any of the following options:",
        "   └─ __glibc >=2.40, for which no candidates were found.",
        "is excluded because due to strict channel priority not using this option from: 'u/'",
        "the constraint a ==1 b cannot be fulfilled",
        "HTTP status client error (401 Unauthorized) for url (https://me:s3cret@c.test/x/noarch/r)",
        "HTTP status server error (500 Internal Server Error) for url (https://c.test/x/r)",
        "error sending request for url (https://me:s3cret@c.test/x/noarch/r?token=s3cret)",
        "could not find subdir 'noarch' in channel 'https://me:s3cret@c.test/x/'",
        "failed to parse repodata.json",
        "no usable repodata cache for https://c.test/x/noarch/",
        "Caused by: client error (Connect)",
        "\n",
        " ",
        "é",
    ]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=40)


@given(
    kind=st.sampled_from(["gateway", "unsolvable", "spec", "channel"]),
    text=TEXTS,
    versions=st.dictionaries(
        st.sampled_from(["a", "python"]), st.lists(st.just("1.0"), max_size=9)
    ),
)
def test_every_failure_is_an_error_with_a_text(
    kind: str, text: str, versions: dict[str, list[str]]
) -> None:
    answer = {
        "error": kind,
        "text": text,
        "versions": versions,
        "spec": "a>=1",
        "channel": "https://c.test/x",
    }
    error = diagnose(answer, QUESTION, CONTEXT)
    assert isinstance(error, ResolveError)
    assert "s3cret" not in f"{error}{error!r}{error.hint}{vars(error)}"
    assert str(error).strip()


def test_a_bad_matchspec_names_who_wrote_it() -> None:
    answer = {"error": "spec", "spec": "a>=1", "text": "invalid version\nCaused by: x"}
    error = diagnose(answer, QUESTION, CONTEXT)
    assert str(error) == "env.yml:2: `a>=1` is not a conda requirement: invalid version"


def test_python_specifiers_as_matchspecs() -> None:
    for given_, expected in {
        "": "python",
        "==3.11.*": "python 3.11.*",
        "==3.11.7": "python ==3.11.7",
        "<3.13,>=3.10": "python <3.13,>=3.10",
        "!=3.11.1,==3.11.*": "python !=3.11.1,3.11.*",
        "~=3.10": "python ~=3.10",
    }.items():
        assert python_spec(given_) == expected


def test_channels_by_name_and_by_url() -> None:
    assert channel_urls("conda-forge") == ("https://conda.anaconda.org/conda-forge",)
    assert channel_urls("a/label/b", "https://c.test/x/") == ("https://c.test/x/a/label/b",)
    assert channel_urls("https://c.test/x/") == ("https://c.test/x",)
    # The host alone is the same in small letters.
    assert channel_urls("HTTPS://User:Word@C.Test/X") == ("https://User:Word@c.test/X",)
    assert len(channel_urls("defaults")) == 2
    alias = "https://c.test"
    for text, expected in {
        "a>=1": "a>=1",
        "x::a>=1": "https://c.test/x::a>=1",
        "a[channel='x']": "a[channel='https://c.test/x']",
        "a[build='b',channel='x',md5='c']": "a[build='b',channel='https://c.test/x',md5='c']",
        "https://h.test/c/noarch/a-b-1.0-0.conda": "https://h.test/c::a-b[version='==1.0',build='0',subdir='noarch']",
    }.items():
        assert with_channel_urls(text, alias) == expected


def test_channels_that_may_not_be_asked_are_named() -> None:
    answer = {"error": "gateway", "text": "no usable repodata cache for https://c.test/x/noarch/"}
    error = diagnose(answer, QUESTION, CONTEXT)
    assert isinstance(error, IndexUnreachable)
    assert error.where == ", ".join(redact(one) for one in QUESTION.channels)
    assert "://" in error.where
