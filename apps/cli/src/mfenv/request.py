"""From what a user asks for, in files and on the command line, to a spec in normal form.

The defaults in force are written into the spec, so that a changed default changes its id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from envid.platforms import PLATFORMS, check_platform, host_platform
from envid.redaction import redact
from envid.resolved import ResolvedEnv
from envid.spec import EnvSpec
from mfenv.bounds import conda_bounds, pypi_bounds, unused_bounds
from mfenv.errors import Contradiction, InvalidRequest, IsLock, NothingAsked
from mfenv.fetching import fetching
from mfenv.implicit import Implicit, Placement, implicit_packages
from mfenv.lockfile.refusing import refuse_own
from mfenv.options import options_of, overruled
from mfenv.places import Places, Stated, placed_on
from mfenv.python_statements import (
    PythonStatement,
    beside_python,
    combine,
    everywhere_asked,
    python_statements,
    pythons_of,
)
from mfenv.sources import places_of, sources_of, unused_sources
from mfenv.texts import Texts
from mfenv.unused import (
    unused,
    unused_platforms,
    unused_settings,
    unused_uv_sources,
)
from mfenv.virtual_packages import add_virtual_packages, check_floors, unused_virtual_packages
from pkgcache.web.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mfenv.settings import Settings
    from reqparse import Requirement, RequirementSet
    from reqparse.model import Category
    from resolvers.pinned import Pins

__all__ = ["File", "Prepared", "Request", "platforms_of", "prepare"]

# The latter is what Modular's `magic` calls it.
_PIXI = ("pixi.toml", "mojoproject.toml")
_CATEGORIES: tuple[Category, ...] = ("conda", "npconda", "pypi", "sys")

File = Path | str
"""A path, or the URL of a file."""


class Request(NamedTuple):
    """What one environment must hold, as it was asked for.

    `files` are requirement files of any kind that reqparse tells by name and content, each a path
    or, as a text, the URL of one; those in
    `environment_files`, `pyprojects` and `scripts` are read as what they are listed as; one of
    `pyprojects` may be a pixi.toml. `groups` and `extras` choose among what those in `pyprojects`
    name. `pypi` are requirements as they stand
    in a requirements.txt, `conda` and `npconda` MatchSpecs, `sys` virtual packages of the target,
    such as `__glibc=2.28`. `python` is a version or a specifier, `platforms` are those to resolve
    for. `using` names a known environment whose packages are kept, `same_as` one that was asked
    for in the same words, and takes nothing but platforms beside it. `stated` is what was read
    already, as if it stood in a file; its `places` may say where `using` was stated. `virtual` are virtual packages that targets have where
    nothing else is said, over those of the settings. `also` are requirements, each with who asks
    for it, that hold for packages which nothing else of the request names; they are PyPI packages
    where such are asked for, else conda packages. `python_unstated` is the version where neither
    the request nor a setting states one; empty, it is the newest that solves. `platforms_unstated`
    are those where none are stated; none, it is this machine's. `contents` are what some of the
    files are read as holding, whatever they hold by now.

    `locks` are lock files, beside which nothing else is asked for: of them, `groups`, `extras` and
    pixi's `environment` choose, `without_groups` leaves groups out, `default_groups` all those that
    are meant where nothing is said, `only_groups` everything else, `members` are those of uv's
    workspace; and with `locked` one that its source has left behind is refused.
    """

    files: tuple[File, ...] = ()
    environment_files: tuple[File, ...] = ()
    pyprojects: tuple[File, ...] = ()
    scripts: tuple[File, ...] = ()
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    pypi: tuple[str, ...] = ()
    conda: tuple[str, ...] = ()
    npconda: tuple[str, ...] = ()
    sys: tuple[str, ...] = ()
    python: str | None = None
    python_unstated: str = ""
    platforms: tuple[str, ...] = ()
    platforms_unstated: tuple[str, ...] = ()
    using: str | None = None
    same_as: str | None = None
    stated: tuple[RequirementSet, ...] = ()
    virtual: tuple[str, ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    contents: tuple[tuple[File, bytes], ...] = ()
    locks: tuple[File, ...] = ()
    environment: str | None = None
    without_groups: tuple[str, ...] = ()
    default_groups: bool = True
    only_groups: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    locked: bool = False

    @property
    def all_files(self) -> tuple[tuple[File, str | None], ...]:
        """Every file, and the kind that it is read as; None to tell by name and content."""
        return (
            *((path, None) for path in self.files),
            *((path, "environment.yml") for path in self.environment_files),
            *((path, _project_kind(path)) for path in self.pyprojects),
            *((path, "script") for path in self.scripts),
        )


def _project_kind(file: File) -> str:
    """What a file of `pyprojects` is: pixi has the same tables in a file of its own name."""
    name = str(file).rpartition("/")[2].lower()
    return "pixi.toml" if name in _PIXI else "pyproject.toml"


class Prepared(NamedTuple):
    """A spec, and what resolving it needs but no id or description may hold.

    `origins` says of each requirement, and of each source, where it was asked for, and `places`, for
    the description of each platform, of each statement, by category and text; `local_paths`
    leads from the digest of a local file's or directory's content to where it lies. `bases` are the
    environments whose packages are held, one for each of `platforms`, and `beside` is what was
    asked for beside them, without any default. `implicit` is what is wanted beside all that is
    named. `pins` are what locks have, by platform: then nothing is resolved.
    """

    spec: EnvSpec
    platforms: tuple[str, ...]
    origins: Mapping[str, str]
    bases: tuple[ResolvedEnv, ...] = ()
    beside: EnvSpec | None = None
    places: Mapping[str, Places] = {}
    local_paths: Mapping[str, Path] = {}
    implicit: tuple[Implicit, ...] = ()
    pins: Mapping[str, Pins] = {}
    notes: tuple[str, ...] = ()


Find = Callable[[str, Sequence[str]], tuple[ResolvedEnv, ...]]


def prepare(
    request: Request,
    settings: Settings,
    find: Find,
    credentials: Credentials | None = None,
    placement: Placement | None = None,
    *,
    note: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """Read the files of a request and make its spec; `find` looks up what it refers to.

    `placement` says from which side implicit packages come. Logins in URLs are added to
    `credentials`, and `note` is told of longer waits. Raises `reqparse.ParseErrors` with every problem of every file, `InvalidRequest`
    for what cannot be asked for, `Contradiction` for two statements that exclude each other.
    """
    if request.same_as is not None:
        return _prepare_again(request, settings, find)
    credentials = credentials or Credentials()
    sets = [*_read(request, fetching(settings, credentials, note)), *request.stated]
    platforms = platforms_of(request, sets, settings)
    bases = find(request.using, platforms) if request.using else ()
    # They were resolved together, so they have one spec.
    base = bases[0] if bases else None
    settings = _as_the_base(base, request, settings) if base else settings
    pythons = python_statements(sets)
    requirements = [r for file in sets for r in beside_python(file.requirements)]
    constraints = [r for file in sets for r in beside_python(file.constraints)]
    # PyPI has constraints, as uv takes them; for conda they become requirements on a condition.
    of_pypi = [*pypi_bounds(constraints)]
    # Python by itself is something, of whatever version, and all that a script may need.
    alone = any(file.python or file.requirements for file in sets) or bool(request.scripts)
    alone = alone or bool(request.python and not request.all_files)
    if not requirements and not base and not alone and not pythons:
        raise _nothing(request)
    texts = Texts(credentials)
    common: dict[str, list[str]] = defaultdict(list)
    special: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    def add(asked: Iterable[Requirement]) -> None:
        for requirement in asked:
            text, where = texts.of(requirement, requirement.category), requirement.platforms
            for place in [common] if where is None else [special[name] for name in where]:
                place[requirement.category].append(text)

    add(requirements)
    add(conda_bounds(constraints, settings))
    sources = sources_of(sets, settings, credentials)
    if request.python:
        # One statement among others: where a file says otherwise, neither silently wins.
        pythons.append(PythonStatement.make(request.python, "--python"))
    system = settings.python_provider == "system"
    using = _using_place(request)
    python, apart = combine(
        [*pythons, *pythons_of(bases, using)],
        settings.python or request.python_unstated,
        platforms,
        held=[PythonStatement.make(f"=={env.python}", using, (env.platform,)) for env in bases],
        system=system,
    )
    for platform, statements in apart.items():
        for statement in statements:
            # A spec has one specifier of Python for all platforms; what is for some of them is a
            # requirement on conda's `python`.
            text = texts.placed("conda", statement.matchspec, statement.place, (platform,))
            special[platform]["conda"].append(text)
    # After what is stated, which it gives way to.
    implicit = implicit_packages(
        request.also,
        requirements,
        base=base,
        settings=settings,
        platforms=platforms,
        python=python,
    )
    sides = {wanted.key: (placement or {}).get(wanted.key, "usual") for wanted in implicit}
    add(requirement for implied in implicit for requirement in implied.at(sides[implied.key]))
    beside = None
    if base:
        beside = EnvSpec.make(
            requirements=common,
            platform_requirements=special,
            constraints=[texts.of(requirement, "constraints") for requirement in of_pypi],
            python=everywhere_asked(pythons, system=system),
        )
        # Only now: `beside` is what is asked for beyond the base.
        _add_base(base, common, special)
        # The base's come first, since its packages were found there.
        sources = tuple(dict.fromkeys((*base.spec.sources, *sources)))
    # The later one wins: what a program knows of the machines that it sends tasks to is more than a
    # setting.
    usual = (*settings.virtual_packages, *request.virtual)
    add_virtual_packages(
        common, special, platforms, settings.replaced(virtual_packages=usual), base
    )
    _check_provider(requirements, settings)
    # Only now, with all that was added: a base may have brought them, or what nobody names.
    wheels = any(asked.get("pypi") for asked in (common, *special.values()))
    check_floors(requirements, wheels=wheels)
    spec = EnvSpec.make(
        requirements=common,
        platform_requirements=special,
        constraints=[texts.of(requirement, "constraints") for requirement in of_pypi],
        python=python,
        sources=sources,
        options=options_of(sets, settings, wheels=wheels),
        base=base.full_id if base else None,
    )
    # What is asked of Python on one platform alone is a conda requirement.
    texts.places += [
        Stated("python", spec.python, statement.place, statement.platforms)
        for statement in pythons
        if statement.specifier and (system or statement.platforms is None)
    ]
    return Prepared(
        spec=spec,
        platforms=platforms,
        bases=bases,
        beside=beside,
        implicit=implicit,
        origins={
            **places_of(sets, settings),
            **_python_place(spec.python, [*pythons, *pythons_of(bases, using)], settings),
            **texts.origins,
        },
        places=placed_on(spec, platforms, texts.places, bases),
        local_paths=texts.paths,
        notes=(
            *unused(sets, (*request.groups, *request.extras)),
            *unused_bounds(constraints, settings),
            *overruled(sets, settings),
            *unused_platforms(sets, platforms),
            *unused_settings(map(Path, request.pyprojects), settings),
            *unused_uv_sources(texts.paths.values()),
            *unused_sources(sets, settings, wheels=wheels),
            *unused_virtual_packages(requirements, platforms, settings),
            *(
                f"{wanted.who}: `{wanted.text}` is left out, since it does not go with the rest"
                for wanted in implicit
                if sides[wanted.key] == "none"
            ),
        ),
    )


def _using_place(request: Request) -> str:
    places = (file.places["using"] for file in request.stated if "using" in file.places)
    return str(next(places, f"--using {request.using}"))


def _python_place(
    specifier: str, stated: Iterable[PythonStatement], settings: Settings
) -> dict[str, str]:
    """Who said the Python of a spec, by its name and specifier; nothing where nobody did."""
    places = dict.fromkeys(
        statement.place
        for statement in stated
        if statement.specifier
        and (statement.platforms is None or settings.python_provider == "system")
    )
    usual = settings.origins.get("python") if settings.python else None
    where = " and ".join(places) or usual
    return {f"python {specifier}": where} if specifier and where else {}


def _as_the_base(base: ResolvedEnv, request: Request, settings: Settings) -> Settings:
    """The settings for what is derived from an environment, whose Python stays what it is."""
    provider = base.spec.options.python_provider
    by_hand = settings.origins.get("python_provider") == "--python-provider"
    if by_hand and provider != settings.python_provider:
        raise Contradiction(
            f"`{request.using}` has its Python from `{provider}`, and --python-provider asks for"
            f" `{settings.python_provider}`",
            "leave out `--python-provider`",
        )
    return settings.replaced(python_provider=provider)


def _add_base(
    base: ResolvedEnv, common: dict[str, list[str]], special: Mapping[str, dict[str, list[str]]]
) -> None:
    """Add what a base asked for; its virtual packages give way to those that are stated."""
    for place, asked in (
        (common, base.spec.requirements),
        *((special[name], wanted) for name, wanted in base.spec.platform_requirements.items()),
    ):
        for category in asked.keys() - {"sys"}:
            place[category].extend(asked[category])


def _prepare_again(request: Request, settings: Settings, find: Find) -> Prepared:
    asked = find(str(request.same_as), ())
    spec = asked[0].spec
    platforms = platforms_of(request, (), settings)
    bases = find(spec.base, platforms) if spec.base else ()
    return Prepared(
        spec=spec,
        platforms=platforms,
        bases=bases,
        origins={},
        places=placed_on(spec, platforms, (), (*asked, *bases)),
    )


def platforms_of(
    request: Request, sets: Iterable[RequirementSet], settings: Settings
) -> tuple[str, ...]:
    """The platforms of a request: those asked for, of the settings, of the files, or this machine's."""
    stated = [platform for file in sets for platform in file.platforms]
    known = [platform for platform in stated if platform in PLATFORMS]
    # What a file names beside platforms that are known is noted; alone, it is an error.
    asked = request.platforms or settings.platforms or known or stated
    asked = asked or request.platforms_unstated or (host_platform(),)
    return tuple(sorted({check_platform(platform) for platform in asked}))


_DYNAMIC = "`dependencies` is dynamic: only a build tells what it is"
_BUILD = "ask for the project itself, which is built then, as by `--pypi .`"


def _read(request: Request, fetch: Callable[[str], bytes]) -> list[RequirementSet]:
    from reqparse import (
        Origin,
        ParseErrors,
        Problem,
        RequirementSet,
        parse_file,
        parse_requirement,
    )

    if (request.groups or request.extras) and not request.pyprojects:
        raise InvalidRequest("groups and extras are of a pyproject.toml", "give it with `-p FILE`")
    # All problems of all files at once, so that nobody mends one to read the next.
    problems: list[Problem] = []
    sets: list[RequirementSet] = []
    for path, kind in request.all_files:
        # Before it is read as something else: our lock file is TOML, too.
        refuse_own(path)
        try:
            chosen = (request.groups, request.extras) if path in request.pyprojects else ((), ())
            file = parse_file(
                path,
                kind=kind,
                data=dict(request.contents).get(path),
                fetch=fetch,
                groups=chosen[0],
                extras=chosen[1],
            )
            _check_no_lock(path, file)
            if file.dynamic:
                problems.append(Problem(file.dynamic, _DYNAMIC, _BUILD))
            # A project is not asked for by its name; an environment's says how it was called.
            named = not str(path).endswith((".toml", ".py"))
            sets.append(file if named else replace(file, name=None))
        except ParseErrors as error:
            problems.extend(error.problems)
    asked = []
    for category in _CATEGORIES:
        for text in getattr(request, category):
            try:
                origin = Origin(file=f"--{category}", line=None)
                asked.append(parse_requirement(text, category=category, origin=origin))
            except ParseErrors as error:
                problems.extend(error.problems)
    if problems:
        raise ParseErrors(tuple(problems))
    return [*sets, RequirementSet(requirements=tuple(asked))]


def _check_no_lock(path: File, file: RequirementSet) -> None:
    if file.packages:
        raise IsLock(
            f"`{redact(str(path))}` is a lock file: it says what was found, not what is asked for",
            "`mfenv import` takes it as it is; or give the file that it was made from",
        )


def _nothing(request: Request) -> NothingAsked:
    if request.all_files:
        names = ", ".join(f"`{redact(str(path))}`" for path, _ in request.all_files)
        return NothingAsked(
            f"nothing is asked for: no requirement in {names}",
            "write one in a line, such as `pandas>=2`",
        )
    return NothingAsked("nothing is asked for", "name requirements with `-r FILE` or `--pypi`")


def _check_provider(requirements: Iterable[Requirement], settings: Settings) -> None:
    if settings.python_provider != "system":
        return
    origin = settings.origins.get("python_provider", "default")
    by_hand = origin == "--python-provider"
    for requirement in requirements:
        if requirement.category in ("conda", "npconda"):
            raise Contradiction(
                f"{requirement.origin}: `{requirement.original}` is a conda package, and Python"
                f" comes from the system ({origin})",
                "leave out `--python-provider system`"
                if by_hand
                else f"say `conda` in place of `system` in {origin}, or ask for it from PyPI",
            )
