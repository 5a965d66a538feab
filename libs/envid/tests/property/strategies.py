"""Requests and environments of every shape, and other spellings of the same."""

from __future__ import annotations

import string
from itertools import product
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from envid import BuiltFrom, EnvSpec, Options, Package, ResolvedEnv, Source
from envid.packages import Transmuted
from envid.platforms import PLATFORMS
from envid.resolved import ORIGINS as CATEGORIES_PLACED

if TYPE_CHECKING:
    from collections.abc import Iterable

Asked = dict[str, list[str]]

ALNUM = string.ascii_lowercase + string.digits
DIGITS = range(41)


def texts(form: str, *parts: Iterable[object]) -> st.SearchStrategy[str]:
    """All texts of a form: one choice among them costs less than one for each part."""
    return st.sampled_from([form.format(*one) for one in product(*parts)])


_RELEASES = [f"{digit}{rest}" for digit in DIGITS for rest in ("", ".0", ".1", ".20.3")]
_SUFFIXES = ["", "rc1", "a0", "b2", ".post1", ".dev0", "rc1.dev2"]
_VERSIONS = [f"{release}{suffix}" for release in _RELEASES for suffix in _SUFFIXES]
NAMES = texts("{}{}", ["a", "7", "ab", "x-y", "a-1"], DIGITS)
RELEASES = st.sampled_from(_RELEASES)
VERSIONS = st.sampled_from(_VERSIONS)
CLAUSES = st.one_of(
    texts("{}{}", ["==", "!=", "<", "<=", ">", ">="], _VERSIONS),
    texts("{}{}.*", ["==", "!="], _RELEASES),
    st.builds("~={}.{}".format, st.sampled_from(DIGITS), VERSIONS),
    texts("==={}", ["1.0-x", "odd", "1.0"]),
)
MARKERS = st.sampled_from(
    [
        "",
        'python_version < "3.12"',
        'sys_platform == "linux" and platform_machine in "x86_64 aarch64"',
        '(os_name == "nt" or extra == "a-b") and python_full_version != "3.11.1"',
        """platform_version == 'a"b'""",
    ]
)
URLS = st.sampled_from(
    [
        "https://h.example/x-1-py3-none-any.whl",
        "git+https://h.example/r.git@v1#subdirectory=a",
        "file:NAME#sha256=" + "a" * 64,
        "git+ssh://git@h.example/r",
    ]
)
HEX = st.integers(0, 2**256 - 1).map("{:064x}".format)
DIGEST = st.none() | HEX

# A strategy that is made where it is drawn is checked again at every draw, which takes longer
# than the draw: those of what follows are made once.
EXTRAS = st.sets(NAMES, max_size=2)
HASHES = st.sets(HEX, max_size=2)
FORMS = st.sampled_from(["named", "url", "unnamed"])
BOUNDS = st.sets(CLAUSES, max_size=3)


@st.composite
def pypi(draw: st.DrawFn) -> str:
    """A PyPI requirement in its normal spelling."""
    extras = sorted(draw(EXTRAS))
    hashes = "".join(f" --hash=sha256:{one}" for one in sorted(draw(HASHES)))
    asked = f"[{','.join(extras)}]" if extras else ""
    marker = draw(MARKERS)
    form = draw(FORMS)
    if form == "named":
        clauses = ",".join(sorted(draw(BOUNDS)))
        body = f"{draw(NAMES)}{asked}{clauses}" + (f"; {marker}" if marker else "")
    else:
        name = f"{draw(NAMES)}{asked} @ " if form == "url" else ""
        tail = asked if form == "unnamed" else ""
        body = f"{name}{draw(URLS)}{tail}" + (f" ; {marker}" if marker else "")
    return body + hashes


CHANNELS = st.sampled_from(["", "conda-forge::", "conda-forge/linux-64::", "https://h/c::"])
CONDA_VERSIONS = st.one_of(
    st.just(""),
    st.sets(
        texts("{}{}", [">=", "<", "!=", "=="], _RELEASES),
        min_size=1,
        max_size=3,
    ).map(lambda found: ",".join(sorted(found))),
    texts("={}", _RELEASES),
    texts(" {}.*", _RELEASES),
    st.builds(" {}|>{}".format, RELEASES, RELEASES),
)
BUILDS = st.sampled_from(["", "=py38_0", " *_1"])
KEYS = st.sampled_from(["", "[build='h*']", "[build='0',version='<2,>=1']"])


@st.composite
def conda(draw: st.DrawFn) -> str:
    """A MatchSpec in its normal spelling."""
    channel, version = draw(CHANNELS), draw(CONDA_VERSIONS)
    build = draw(BUILDS) if version else ""
    return f"{channel}{draw(NAMES)}{version}{build}{draw(KEYS)}"


VIRTUAL = texts(
    "{}={}{}", ["__glibc", "__cuda", "__osx", "__archspec"], _RELEASES, ["", "=x86_64_v3"]
)
BY_CATEGORY = {"conda": conda(), "npconda": conda(), "pypi": pypi(), "sys": VIRTUAL}


ASKED = st.fixed_dictionaries(
    {}, optional={name: st.lists(one, max_size=3) for name, one in BY_CATEGORY.items()}
)

SOURCES = st.lists(
    st.builds(
        Source.make,
        st.sampled_from(["channel", "index", "find-links"]),
        st.sampled_from(["pypi", "conda-forge", "https://h.example/a", "file:///srv/b"]),
    ),
    unique=True,
    max_size=4,
)
OPTIONS = st.builds(
    Options.make,
    prereleases=st.booleans(),
    require_hashes=st.booleans(),
    no_binary=st.lists(NAMES | st.just(":all:"), max_size=2),
    only_binary=st.lists(NAMES, max_size=2),
    exclude_newer=st.none() | st.dates().map(str).filter(lambda day: day < "9999-12-31"),
    channel_priority=st.sampled_from(["strict", "flexible", "disabled"]),
    index_strategy=st.sampled_from(["first-index", "unsafe-best-match"]),
    pypi_names=st.none() | st.integers(0, 2**256 - 1).map("{:064x}".format),
)
PYTHONS = st.sampled_from(["3.11", "3.11.7", ">=3.10,<3.13", "", "3"])
IDS = st.integers(0, 2**160 - 1).map("{:040x}".format)


REQUESTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "requirements": ASKED,
        "platform_requirements": st.dictionaries(st.sampled_from(PLATFORMS), ASKED, max_size=2),
        "constraints": st.lists(BY_CATEGORY["pypi"], max_size=2),
        "python": PYTHONS,
        "sources": SOURCES,
        "options": OPTIONS,
        "base": st.none() | IDS,
    }
)
"""The arguments of `EnvSpec.make`."""
SPECS = REQUESTS.map(lambda fields: EnvSpec.make(**fields))


ORIGINS = st.builds(
    BuiltFrom,
    kind=st.sampled_from(["sdist", "vcs", "directory"]),
    url=URLS,
    sha256=DIGEST,
    commit=st.none() | IDS,
    subdirectory=st.none() | st.just("a/b"),
)
OTHERS = st.builds(
    Transmuted, filename=st.just("a-1-0.conda"), sha256=HEX, size=st.integers(0, 2**40)
)


KINDS = st.sampled_from(["conda", "pypi"])
REST: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "url": URLS,
        "sha256": HEX,
        "md5": st.none() | st.just("0" * 32),
        "build": st.none() | st.sampled_from(["0", "py38_0"]),
        "subdir": st.none() | st.sampled_from([*PLATFORMS, "noarch"]),
        "size": st.none() | st.integers(0, 2**40),
        "depends": st.lists(NAMES, max_size=3),
        "source": st.none() | st.just("pypi"),
        "built_from": st.none() | ORIGINS,
        "transmuted": st.none() | OTHERS,
    }
)


@st.composite
def packages(draw: st.DrawFn) -> Package:
    name, version = draw(NAMES), draw(VERSIONS)
    return Package.make(
        kind=draw(KINDS),
        name=name,
        version=version,
        filename=f"{name}-{version}.whl",
        **draw(REST),
    )


PACKAGES = st.lists(packages(), max_size=4, unique_by=lambda one: (one.kind, one.name))
FOUND = st.dictionaries(
    st.sampled_from(PLATFORMS),
    st.tuples(st.sampled_from(["3.11.7", "3.12.1", "3.13.0rc1"]), PACKAGES),
    min_size=1,
)


LINES = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=5)
ORIGINS_ON = st.dictionaries(
    st.sampled_from(CATEGORIES_PLACED), st.dictionaries(LINES, LINES, max_size=2)
)


def _together(spec: EnvSpec, found: Any, who: str, origins: Any) -> tuple[ResolvedEnv, ...]:
    placed = dict.fromkeys(found, origins)
    return ResolvedEnv.co_resolve(spec, found, resolved_by=who, origins=placed)


ENVIRONMENTS = st.builds(
    _together,
    SPECS,
    FOUND,
    LINES,
    ORIGINS_ON,
)


@st.composite
def respelled(draw: st.DrawFn, category: str, text: str) -> str:
    """Another spelling of a requirement in its normal one: other space, case, order, quotes."""
    space = draw(st.sampled_from(["", " ", "  ", "\t"]))
    if category == "sys":
        return draw(st.sampled_from([text, text.upper(), text.replace("=", f"{space}={space}", 1)]))
    if category == "pypi":
        return space + _respelled_pypi(draw, text) + space
    return space + _respelled_conda(draw, text) + space


def _name(draw: st.DrawFn, name: str) -> str:
    other = name.replace("-", draw(st.sampled_from(["-", "_", ".", "-_."])))
    return draw(st.sampled_from([other, other.upper(), other.title()]))


def _respelled_pypi(draw: st.DrawFn, text: str) -> str:
    body, *hashes = text.split(" --hash=")
    hashes = draw(st.permutations(hashes))
    glue = draw(st.sampled_from([" --hash=", " --hash ", "  --hash="]))
    return glue.join([_respelled_body(draw, body), *hashes])


def _respelled_body(draw: st.DrawFn, body: str) -> str:
    space = draw(st.sampled_from(["", " ", "  "]))
    end = next((at for at, sign in enumerate(body) if sign not in f"{ALNUM}-"), len(body))
    name, rest = body[:end], body[end:]
    if ":" in body.split(" @ ", maxsplit=1)[0].split(";", maxsplit=1)[0]:
        return body.replace(" ; ", draw(st.sampled_from([" ; ", " ;", "; "])))
    if rest.startswith("["):
        inside, _, rest = rest[1:].partition("]")
        extras = [_name(draw, one) for one in draw(st.permutations(inside.split(",")))]
        name += f"{space}[{space}{f'{space},{space}'.join([*extras, extras[0]])}{space}]"
    name = _name(draw, name[:end]) + name[end:]
    if rest.startswith(" @ "):
        return name + rest.replace(" @ ", draw(st.sampled_from([" @ ", "@", " @"])), 1)
    clauses, semicolon, marker = rest.partition("; ")
    if clauses:
        parts = draw(st.permutations(clauses.split(",")))
        clauses = f"{space},{space}".join([*parts, parts[0]])
        for sign in ("==", "~=", ">=", "<="):
            if "===" not in clauses:
                clauses = clauses.replace(sign, f"{sign}{space}")
        if "===" not in clauses and draw(st.booleans()):
            clauses = f"({clauses})"
    mark = draw(st.sampled_from([";", " ;", " ; ", "; "])) if semicolon else ""
    if "'" not in marker and draw(st.booleans()):
        marker = marker.replace('"', "'").replace(" == ", "==").replace(" and ", "  and ")
    return f"{name}{space}{clauses}{mark}{marker}"


def _respelled_conda(draw: st.DrawFn, text: str) -> str:
    space = draw(st.sampled_from(["", " ", "  "]))
    channel, mark, spec = text.rpartition("::")
    body, bracket, keys = spec.partition("[")
    head = body[: next((at for at, sign in enumerate(body) if sign in " =<>!~"), len(body))]
    rest = body[len(head) :]
    if rest and rest[0] != " " and "=py" not in rest and " *_1" not in rest:
        bounds = draw(st.permutations(rest.split(",")))
        rest = space + f"{space},{space}".join([*bounds, bounds[0]] if len(bounds) > 1 else bounds)
    if bracket:
        pairs = keys[:-1].replace("<2,>=1", f">=1,{space}<2").replace("',", f"'{space},{space}")
        keys = draw(st.sampled_from([pairs, pairs.replace("'", '"')])) + "]"
    return f"{channel}{mark}{draw(st.sampled_from([head, head.upper()]))}{rest}{bracket}{keys}"
