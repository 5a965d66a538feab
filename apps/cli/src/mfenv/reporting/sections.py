"""What a page says of environments, section by section."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING

from envid.markup import Html, element, joined
from envid.sizes import size_text
from envid.spec import Options
from mfenv.reporting.overview import key_text
from mfenv.reporting.parts import Number, counted, listed, pairs, section, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from mfenv.auditing import AuditedEnv
    from mfenv.exploring.comparing import Caused
    from mfenv.reporting.overview import Overview, SeenDifference, SeenEnvironment

__all__ = ["SECTIONS", "label"]

_LONGEST = 60
_ORDER = {"python": 0, "constraints": 2}
_AGAINST = {
    "advisory": "advisory",
    "changed": "its source has another file under this name",
    "gone": "its source does not have this file any more",
    "yanked": "yanked",
}


def label(seen: SeenEnvironment, every: Sequence[SeenEnvironment]) -> str:
    """How one platform of an environment is called among all that are shown."""
    return seen.env.platform if len({other.name for other in every}) == 1 else _full(seen)


def _full(seen: SeenEnvironment) -> str:
    return f"{seen.name} {seen.env.platform}"


def _size(seen: SeenEnvironment) -> Number:
    return Number(size_text(seen.size) + "+" * bool(seen.unsized), seen.size)


def _environments(view: Overview) -> Html:
    rows = [
        (
            seen.name,
            seen.env.platform,
            seen.env.python,
            seen.env.env_type,
            Number(f"{len(seen.env.packages):,}", len(seen.env.packages)),
            _size(seen),
            seen.env.resolved_at[:10],
        )
        for seen in view.environments
    ]
    columns = ("Environment", "Platform", "Python", "Type", "#Packages", "#Size", "Resolved")
    return section(
        "environments",
        "Environments",
        table("Environments", columns, rows),
        *(_details(seen) for seen in view.environments),
        element("p", "A size with + is without packages whose size is not known.", class_="faint")
        if any(seen.unsized for seen in view.environments)
        else "",
    )


def _details(seen: SeenEnvironment) -> Html:
    env, usual = seen.env, Options().to_dict()
    options = [
        f"{name} {'yes' if value is True else ' '.join(value) if isinstance(value, list) else value}"
        for name, value in env.spec.options.to_dict().items()
        if value != usual[name]
    ]
    rows = [
        ("id", element("span", str(env.env_id.ref), class_="id")),
        ("known as", " ".join(seen.aliases)),
        ("resolved", f"{env.resolved_at} by {env.resolved_by}"),
        (
            "together with",
            ", ".join(platform for platform in env.co_resolved if platform != env.platform),
        ),
        ("derived from", env.spec.base or ""),
        *((source.kind, source.url) for source in env.spec.sources),
        ("target", ", ".join(env.spec.statements(env.platform).get("sys", ()))),
        *(("option", option) for option in options),
        *(("note", note) for note in env.notes),
    ]
    return element("details", element("summary", _full(seen)), pairs(rows))


def _asked(view: Overview) -> Html:
    by_text: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for seen in view.environments:
        for statement in (*seen.graph.asked, *seen.graph.bound):
            by_text[seen.name, statement.category, statement.text, statement.place or ""].append(
                seen.env.platform
            )
    order = {name: number for number, name in enumerate(view.names)}
    several, platforms = len(view.names) > 1, {other.env.platform for other in view.environments}
    rows = [
        (
            *[name] * several,
            category,
            text or "any",
            place,
            *[", ".join(on)] * (len(platforms) > 1),
        )
        for (name, category, text, place), on in sorted(
            by_text.items(),
            key=lambda item: (order[item[0][0]], _ORDER.get(item[0][1], 1), *item[0][1:]),
        )
    ]
    columns = [
        *["Environment"] * several,
        *("Of", "Statement", "Stated in"),
        *["Platforms"] * (len(platforms) > 1),
    ]
    content = table("What was asked for", columns, rows)
    return section("asked", "What was asked for", content or element("p", "Nothing in particular."))


def _pictures(_: Overview) -> Html:
    whose = element("p", class_="whose", hidden=True)
    graph = section(
        "look",
        "What needs what",
        whose,
        element("h3", "", id="focus-title", tabindex=-1),
        element(
            "button",
            "Back to what was asked for",
            type="button",
            id="others",
            class_="more",
            hidden=True,
        ),
        element("div", id="focus"),
    )
    sizes = section(
        "sizes",
        "Sizes",
        whose,
        element(
            "p",
            _swatch("conda"),
            "conda ",
            _swatch("pypi"),
            "PyPI. Areas are sizes of archives; arrow keys go from one to the next, Enter shows it. ",
            element("span", id="unsized"),
            class_="faint",
        ),
        Html('<svg id="treemap" role="group" aria-label="Sizes of packages"></svg>'),
    )
    return joined(
        element("div", graph, sizes, id="pictures", hidden=True),
        element(
            "p",
            "What needs what, and sizes as areas, are drawn by JavaScript, which does not run here.",
            id="undrawn",
        ),
    )


def _swatch(kind: str) -> Html:
    return element("span", class_=f"swatch {kind}")


def _packages(view: Overview) -> Html:
    every = view.environments
    by_version: dict[tuple[str, str, str], list[tuple[int, Package]]] = defaultdict(list)
    for number, seen in enumerate(every):
        for package in seen.env.packages:
            by_version[package.name, package.kind, package.version].append((number, package))
    rows: list[tuple[str | Number, ...]] = []
    for (name, kind, version), places in sorted(by_version.items()):
        number, package = places[0]
        link = element(
            "a", name, href="#look", data_at=number, data_key=key_text((kind, package.name))
        )
        there = [every[at] for at, _ in places]
        sizes = _sizes([file.size for _, file in places])
        where = [_where(there, every)] if len(every) > 1 else []
        rows.append((link, kind, version, sizes, _licence(package, view), *where))
    columns = ["Package", "Kind", "Version", "#Size", "Licence", *["In"] * (len(every) > 1)]
    return section("packages", "Packages", table("Packages", columns, rows))


def _sizes(sizes: Sequence[int | None]) -> Number:
    # By their texts: those that read alike are shown once.
    known = sorted({size_text(size): size for size in sizes if size is not None}.values())
    if not known:
        return Number("", 0)
    shown = size_text(known[0])
    return Number(f"{shown} to {size_text(known[-1])}" if len(known) > 1 else shown, known[-1])


def _licence(package: Package, view: Overview) -> str:
    stated = view.licences.get(package)
    return "" if not stated else _shortened(stated)


def _shortened(text: str) -> str:
    """The first line of a text, which opens to all of it where that is longer."""
    first = text.split("\n", 1)[0]
    if text == first and len(text) <= _LONGEST:
        return text
    short = first[:_LONGEST].rstrip() + "…"
    return element("details", element("summary", short), element("pre", text))


def _where(there: Sequence[SeenEnvironment], every: Sequence[SeenEnvironment]) -> str:
    if len(there) == len(every):
        return "all"
    if len({seen.name for seen in every}) == 1:
        return ", ".join(seen.env.platform for seen in there)
    texts = []
    # Those of one name stand one behind the other in an overview.
    for name, some in groupby(there, key=lambda seen: seen.name):
        platforms = [seen.env.platform for seen in some]
        own = sum(seen.name == name for seen in every)
        texts.append(name if len(platforms) == own else f"{name} ({', '.join(platforms)})")
    return "; ".join(texts)


def _shared(view: Overview) -> Html:
    if len(view.names) == 1:
        return Html()
    # By their digests, as a store and a cache keep them.
    files = {name: {p.digest: p.size or 0 for p in _packages_of(name, view)} for name in view.names}
    holders: dict[str, int] = defaultdict(int)
    for own in files.values():
        for digest in own:
            holders[digest] += 1
    rows: list[tuple[str | Number, ...]] = [
        (name, *(cell for some in _split(own, holders) for cell in some))
        for name, own in files.items()
    ]
    every = {digest: size for own in files.values() for digest, size in own.items()}
    common = {digest: size for digest, size in every.items() if holders[digest] == len(files)}
    said = (
        f"{counted(len(every), 'file')} in all, {size_text(sum(every.values()))}; in each of the "
        f"{len(files)} environments {counted(len(common), 'file')}, "
        f"{size_text(sum(common.values()))}. A store and a cache keep each once."
    )
    columns = ("Environment", "#Shared", "#Size of these", "#Its own", "#Size of these")
    content = table("Files that environments share", columns, rows)
    return section("shared", "Shared between environments", element("p", said), content)


def _packages_of(name: str, view: Overview) -> Iterator[Package]:
    for seen in view.environments:
        if seen.name == name:
            yield from seen.env.packages


def _split(own: Mapping[str, int], holders: Mapping[str, int]) -> Iterator[tuple[Number, Number]]:
    """The numbers and sizes of files that others have, and of those that no other one has."""
    for is_shared in (True, False):
        sizes = [size for digest, size in own.items() if (holders[digest] > 1) is is_shared]
        yield Number(f"{len(sizes):,}", len(sizes)), Number(size_text(sum(sizes)), sum(sizes))


def _differences(view: Overview) -> Html:
    if not view.differences and not view.notes:
        return Html()
    return section(
        "differences",
        "Differences",
        listed(view.notes),
        *(part for difference in view.differences for part in _difference(difference)),
    )


def _difference(seen: SeenDifference) -> Iterator[Html]:
    before, after = seen.compared.before, seen.compared.after
    if before is None or after is None:  # a file, which no page shows
        return
    title = f"{seen.before} {before.platform} → {seen.after} {after.platform}"
    yield element("h3", title)
    if not seen.compared.differ:
        yield element("p", "Nothing differs.")
        return
    sizes = [sum(p.size or 0 for p in env.packages) for env in (before, after)]
    changes = seen.compared.changes
    came = sum(caused.change.before is None for caused in changes)
    went = sum(caused.change.after is None for caused in changes)
    counts = f"{came} came, {went} went, {len(changes) - came - went} changed"
    yield element("p", f"{counts}: {size_text(sizes[0])} → {size_text(sizes[1])}.")
    yield listed(f"asked {difference}" for difference in seen.compared.asked)
    columns = ("What", "Package", "Kind", "Before", "After", "#Size", "Because of")
    yield table(f"Packages that differ, {title}", columns, map(_change, changes))


def _change(caused: Caused) -> tuple[str | Number, ...]:
    change = caused.change
    what = "came" if change.before is None else "went" if change.after is None else "moved"
    sizes = [
        0 if version is None else size
        for version, size in (
            (change.before, change.size_before),
            (change.after, change.size_after),
        )
    ]
    grown = Number("", 0)
    if sizes[0] is not None and sizes[1] is not None:
        more = sizes[1] - sizes[0]
        grown = Number(f"{'-' if more < 0 else '+'}{size_text(abs(more))}", more)
    cause = str(caused.difference) if caused.difference else ""
    return (
        element("span", {"moved": "changed"}.get(what, what), class_=what),
        change.name,
        change.kind,
        change.before or "",
        change.after or "",
        grown,
        cause or (caused.statement.said if caused.statement else ""),
    )


def _licences(view: Overview) -> Html:
    by_text: dict[str, set[str]] = defaultdict(set)
    unknown, silent = set(), set()
    for seen in view.environments:
        for package in seen.env.packages:
            stated = view.licences.get(package)
            if stated is None:
                unknown.add(package.name)
            elif not stated:
                silent.add(package.name)
            else:
                by_text[stated].add(package.name)
    rows = [
        (_shortened(text), Number(f"{len(names):,}", len(names)), ", ".join(sorted(names)))
        for text, names in sorted(by_text.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    notes = [
        (silent, "state none"),
        (unknown, "are not in the cache of the machine that wrote this, which knows no licence of"),
    ]
    return section(
        "licences",
        "Licences",
        table("Licences that packages state", ("Licence", "#Packages", "Which"), rows),
        listed(
            f"{counted(len(names))} {said}{' them' if names is unknown else ''}:"
            f" {', '.join(sorted(names))}"
            for names, said in notes
            if names
        ),
    )


def _advisories(view: Overview) -> Html:
    if view.audited is None:
        said = (
            "Sources were not asked what is known against these packages: `mfenv audit` asks them,"
            " and so does `mfenv report --audit`."
        )
        return section("advisories", "Advisories", element("p", said))
    content = table(
        "What sources say against packages",
        ("Environment", "Package", "Version", "What", "Advisory", "Fixed in"),
        (row for audited in view.audited for row in _findings(audited, view)),
    )
    lines = [
        f"{_called(checked.env, view)}: {what} were not looked at, since {reason}: {', '.join(names)}"
        for checked in view.audited
        for (what, reason), names in checked.unasked().items()
    ]
    nothing = element("p", "Nothing is known against what could be asked about.")
    return section("advisories", "Advisories", content or nothing, listed(lines))


def _findings(audited: AuditedEnv, view: Overview) -> Iterator[tuple[str, ...]]:
    for finding in audited.findings:
        package, advisory = finding.package, finding.advisory
        said: str = finding.reason
        if advisory:
            names = ", ".join((advisory.id, *advisory.aliases))
            # Of other schemes a browser would run what a source says.
            web = advisory.link.startswith(("https://", "http://"))
            linked = element("a", names, href=advisory.link, rel="noreferrer") if web else names
            gone = ", withdrawn" if advisory.withdrawn else ""
            said = joined(linked, gone, ": " * bool(advisory.summary), advisory.summary)
        yield (
            _called(audited.env, view),
            package.name,
            package.version,
            _AGAINST[finding.what],
            said,
            ", ".join(advisory.fixed_in) if advisory else "",
        )


def _called(env: ResolvedEnv, view: Overview) -> str:
    return next(_full(seen) for seen in view.environments if seen.env.env_id == env.env_id)


SECTIONS = (
    *(_environments, _asked, _pictures, _packages, _shared),
    *(_differences, _licences, _advisories),
)
"""Functions of an overview, in the order of the page; what there is nothing of is empty."""
