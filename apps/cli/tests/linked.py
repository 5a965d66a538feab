"""Generated environments whose packages need each other, in circles too."""

from __future__ import annotations

from hypothesis import strategies as st

from envid import EnvSpec, Package, ResolvedEnv

from .generated import conda, wheel

NAMES = ("a", "b-c", "d", "e", "f")
CONDA = ("a", "b.c", "g", "python", "_x")
PLATFORM = "linux-64"


@st.composite
def packages(draw: st.DrawFn) -> list[Package]:
    wheels = draw(st.sets(st.sampled_from(NAMES)))
    brought = draw(st.sets(st.sampled_from(CONDA)))
    made = []
    for name in sorted(brought):
        needs = draw(st.sets(st.sampled_from((*CONDA, "gone"))))
        version = draw(st.sampled_from(["1.0", "2.0"]))
        made.append(
            conda(name, version, "0", PLATFORM, ending="conda", hashes=["sha256"], depends=needs)
        )
    for name in sorted(wheels):
        needs = draw(st.sets(st.sampled_from((*NAMES, *CONDA, "gone"))))
        plain = wheel(name, draw(st.sampled_from(["1.0", "2.0"])), "pure", PLATFORM)
        data = {**plain.to_dict(), "depends": sorted(needs)}
        made.append(Package.from_dict(data))
    return made


@st.composite
def specs(draw: st.DrawFn) -> EnvSpec:
    bounds = st.sampled_from(["", ">=1", "==1.*"])
    some = st.dictionaries(st.sampled_from((*NAMES, "g", "gone")), bounds)
    return EnvSpec.make(
        requirements={
            "pypi": [f"{name}{bound}" for name, bound in draw(some).items()],
            "conda": draw(st.sets(st.sampled_from([*CONDA, "b*", "a>=1", "c::g=1=0"]))),
        },
        constraints=draw(st.sets(st.sampled_from(["a<3", "b-c<2", "gone<1"]))),
        python=draw(st.sampled_from(["", "3.11"])),
    )


@st.composite
def linked(draw: st.DrawFn) -> ResolvedEnv:
    spec, found = draw(specs()), draw(packages())
    return ResolvedEnv.co_resolve(spec, {PLATFORM: ("3.11.7", found)}, resolved_by="me")[0]
