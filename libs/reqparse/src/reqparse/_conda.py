"""Requirements on conda packages: the MatchSpec language, and virtual packages.

Follows conda's documentation of MatchSpec; the canonical spelling is
`channel/subdir::name version build[key='value']` with `=1.2` written `1.2.*` and a bare version
`==1.2`, which conda, mamba and rattler read alike.
"""

from __future__ import annotations

import os
import re

from envid.redaction import redact
from reqparse._flaw import Flaw
from reqparse._url import (
    has_scheme,
    is_remote,
    join,
    path_to_url,
    split_fragment,
    split_secret,
    url_to_path,
)
from reqparse.model import Requirement

_NAME = r"[a-z0-9_][a-z0-9_.-]*"
_LIST = r"\[[^\[\]]*\]"
# Quoted texts and lists may hold brackets themselves: `[version='>=1', extras=[a, b]]`.
_BRACKETS = rf"\[((?:[^\[\]\"']|\"[^\"]*\"|'[^']*'|{_LIST})*)\]"
_PAIR = rf"\s*([A-Za-z0-9_-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|({_LIST})|([^,'\"\[\]]*))\s*(?:,|$)"
_WORD = r"[a-z0-9._+:-]+"
_JOINT = r"\s+(?:and|or)\s+|[()]"
_PARTS = r"[0-9a-z_]+(?:[.-][0-9a-z_]+)*"
_VERSION = rf"(?:[0-9]+!)?{_PARTS}(?:\+{_PARTS})?(?:\.?\*)?"
_CLAUSE = rf"(==|!=|<=|>=|~=|=|<|>)?({_VERSION}|\*)"
_BUILD = r"[A-Za-z0-9_.+*]+"
_BUILD_NUMBER = r"(?:==|!=|<=|>=|<|>)?\d+"
_OPERATORS = ("", "=", "==", "!=", "<=", ">=", "~=", "<", ">")
# What stands before a single colon, where a name follows it: neither `https://...` nor the epoch of
# a version has a letter there.
_CHANNEL_COLON = r"([^\s=<>!~]*):(?=[\d.]*[A-Za-z_][A-Za-z0-9_.-]*(?:[\s=<>!~]|$))"
_DIGEST = r"(?:(md5|sha256)[:=])?([0-9A-Fa-f]{32}|[0-9A-Fa-f]{64})"
# The last `=` or space behind a version begins a build; behind an operator, `,` or `|` it belongs
# to the version itself.
_GLUED_BUILD = r"(?<![=!<>~|,\s])=(?![=])([^=<>!~,|\s]+)$"
_SPACED_BUILD = r"(?<![=!<>~|,\s])\s+=?([^=<>!~,|\s]+)$"
_SYS = r"(__[a-z0-9_]+)\s*={1,2}\s*([^=<>!~,|\s]+)(?:=([^=<>!~,|\s]+))?"
_DIGITS = {"sha256": 64, "md5": 32}
KEYS = (
    *("version", "build", "build_number", "channel", "subdir", "url", "md5", "sha256", "fn"),
    *("license", "license_family", "track_features", "extras", "flags", "when"),
)
# Without a bracket, it would be a clause of the version, as which no package would fit it.
_LOOSE_KEY = rf",({'|'.join(KEYS)})=([^,]*)"
_NOT_KEYS = {
    "features": "channels have replaced them by `track_features` and by packages to choose among",
    "name": "the name stands in front of the bracket",
    "namespace": "no channel has any",
    "optional": "a package is asked for or not",
    "target": "only conda itself knows what it would change",
}
_LISTS = ("extras", "flags")


def conda_requirement(text: str, *, base: str = "") -> Requirement:
    """Parse a MatchSpec, package URL or path to a package. Raises Flaw."""
    text = text.strip()
    bare = text.partition("#")[0]
    if bare.endswith((".conda", ".tar.bz2")) and (has_scheme(text) or "/" in text):
        return _archive(text, base)
    body, keys = _take_brackets(text)
    channel, name, rest = _split_head(body, text)
    name = name.lower()
    # A file name alone, without `./`, would be a package that no channel has.
    if not re.fullmatch(_NAME, name) or name.endswith((".conda", ".tar.bz2", ".whl")):
        raise Flaw(f"`{name or text}` is not a conda package name", _looks_like(text))
    if "url" in keys:
        return _by_url(text, name, body, keys)
    version, build = _split_version(rest, text)
    if "fn" in keys:
        _add_file(text, name, keys)
    channel = _said_once("channel", channel, keys.pop("channel", None), text)
    build = _said_once("build", build, keys.pop("build", None), text)
    version = canonical_version(version, alone=build is None)
    if "version" in keys:
        bracketed = canonical_version(keys.pop("version"), alone=build is None)
        version = _said_once("version", version or None, bracketed, text) or ""
    if build and not re.fullmatch(_BUILD, build):
        hint = "write a pattern with `*`" if _is_regular_expression(build) else None
        raise Flaw(f"`{build}` in `{text}` is not a conda build string", hint)
    if "build_number" in keys and not re.fullmatch(_BUILD_NUMBER, keys["build_number"]):
        hint = "write for example `[build_number='>=2']`"
        raise Flaw(f"`{keys['build_number']}` in `{text}` is not a build number", hint)
    # The text of a requirement becomes part of ids and descriptions, which everybody reads.
    if split_secret(text)[1]:
        raise Flaw(
            f"`{redact(text)}` holds credentials",
            "list its channel as a source, with them, and leave them out here",
        )
    for key, digits in _DIGITS.items():
        if key in keys and not re.fullmatch(f"[0-9A-Fa-f]{{{digits}}}", keys[key]):
            raise Flaw(f"`{keys[key]}` in `{text}` is not {digits} hexadecimal digits")
    hashes = tuple(f"{k}:{keys[k].lower()}" for k in _DIGITS if k in keys)
    lead = f"{channel}::{name}" if channel else name
    # A build alone behind the name would be read as its version.
    tail = "".join(f" {part}" for part in (version or ("*" if build else ""), build) if part)
    words = {key: _words(keys[key], text) for key in _LISTS if key in keys}
    # Sorted and quoted alike, since the text is compared and becomes part of ids.
    written = {key: _quoted(value) for key, value in keys.items() if key not in words}
    written |= {key: f"[{','.join(listed)}]" for key, listed in words.items()}
    if "when" in keys:
        written["when"] = _quoted(_condition(keys["when"], text))
    brackets = ",".join(f"{key}={value}" for key, value in sorted(written.items()))
    return Requirement(
        category="conda",
        name=name,
        text=lead + tail + (f"[{brackets}]" if brackets else ""),
        extras=words.get("extras", ()),
        specifier=version,
        build=build,
        channel=channel,
        hashes=hashes,
    )


def _said_once(what: str, bare: str | None, bracketed: str | None, text: str) -> str | None:
    """What stands before a bracket or in it; both must say the same."""
    if bare is not None and bracketed is not None and bare != bracketed:
        raise Flaw(
            f"`{text}` says its {what} twice: `{bare}`, and `{bracketed}` in brackets", "keep one"
        )
    return bare if bracketed is None else bracketed


def _by_url(text: str, name: str, body: str, keys: dict[str, str]) -> Requirement:
    """A spec that says where its package is: as much as the package's URL says."""
    url = keys.pop("url")
    digest = keys.pop("sha256", None) or keys.pop("md5", None)
    requirement = _archive(f"{url}#{digest}" if digest else url, "")
    if body.strip().lower() != name or requirement.name != name or keys:
        raise Flaw(f"`{text}` says more than its URL", f"write `{redact(url)}` alone")
    return requirement


def _add_file(text: str, name: str, keys: dict[str, str]) -> None:
    """The version and the build that a file name says."""
    named, version, build = split_archive_name(keys["fn"])
    if named.lower() != name:
        raise Flaw(f"`{keys['fn']}` in `{text}` is a package of another name")
    keys["version"] = _said_once("version", f"=={version}", keys.get("version"), text) or ""
    keys["build"] = _said_once("build", build, keys.get("build"), text) or ""


def _words(value: str, text: str) -> tuple[str, ...]:
    """The words of a list such as `[a, b]`, or a single word."""
    words = [w.strip().strip("'\"") for w in value.removeprefix("[").removesuffix("]").split(",")]
    if wrong := [word for word in words if not re.fullmatch(_WORD, word)]:
        raise Flaw(f"`{wrong[0]}` in `{text}` is not a name", "write for example `[extras=[a, b]]`")
    return tuple(sorted(set(words)))


def _condition(value: str, text: str) -> str:
    """A condition on other packages, with `and`, `or` and parentheses; checked, not changed."""
    value = " ".join(value.split())
    if not value:
        raise Flaw(f"an empty condition in `{text}`", "leave out `when`")
    # Each part has to be a spec of its own; how they are joined is the solver's to read.
    for part in filter(None, map(str.strip, re.split(_JOINT, value))):
        if conda_requirement(part).channel is not None:
            raise Flaw(f"`{part}` in `{text}` names a channel", "a condition is on any package")
    return value


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"


def sys_requirement(text: str) -> Requirement:
    """Parse a virtual package with its exact version, `__glibc=2.28`. Raises Flaw."""
    parts = re.fullmatch(_SYS, text.strip())
    if not parts:
        hint = "write for example `__glibc=2.28`; the name starts with two underscores"
        raise Flaw(f"`{text}` is not a virtual package with an exact version", hint)
    name, version, build = parts.groups()
    return Requirement(
        category="sys",
        name=name,
        text=f"{name}={version}" + (f"={build}" if build else ""),
        specifier=f"=={version}",
        build=build,
    )


def split_archive_name(filename: str) -> tuple[str, str, str]:
    """Name, version and build of a conda package's file name. Raises Flaw."""
    stem = filename.removesuffix(".conda").removesuffix(".tar.bz2")
    parts = stem.rsplit("-", 2)
    if stem == filename or len(parts) != 3 or not all(parts):  # noqa: PLR2004 - its three parts
        raise Flaw(f"`{filename}` is not named like a conda package", "NAME-VERSION-BUILD.conda")
    return parts[0], parts[1], parts[2]


def _archive(text: str, base: str) -> Requirement:
    address, fragment = split_fragment(text)
    path = None
    if not has_scheme(address) or address.lower().startswith("file:"):
        address = path = join(base, url_to_path(address) if has_scheme(address) else address)
        # What a file at a URL names by a relative path is at a URL, too.
        path = None if is_remote(address) else path
    name, version, build = split_archive_name(os.path.basename(address))  # noqa: PTH119 - may be a URL
    digest = re.fullmatch(_DIGEST, fragment.rest)
    kind = {64: "sha256", 32: "md5"}[len(digest[2])] if digest else ""
    if fragment.rest and (not digest or digest[1] not in (None, kind)):
        raise Flaw(f"what ends `{redact(text)}` is not a hash", "an md5 or a sha256 behind the `#`")
    url, secret = split_secret(path_to_url(path) if path else address)
    return Requirement(
        category="conda",
        name=name.lower(),
        text=url + (f"#{digest[2].lower()}" if digest else ""),
        specifier=f"=={version}",
        build=build,
        url=url,
        path=path,
        hashes=(f"{kind}:{digest[2].lower()}",) if digest else (),
        secret=secret,
    )


def _take_brackets(text: str) -> tuple[str, dict[str, str]]:
    """A spec without its `[key=value]` parts, and those."""
    keys: dict[str, str] = {}
    for inside in re.findall(_BRACKETS, text):
        at = 0
        while at < len(inside):
            pair = re.compile(_PAIR).match(inside, at)
            if not pair or pair.end() == at:
                hint = (
                    None if "#" in text else "extras are of PyPI, whose packages are under `pip:`"
                )
                raise Flaw(f"`[{inside}]` in `{text}` is not `[key=value]`", hint)
            key = pair[1].lower()
            if key in _NOT_KEYS:
                raise Flaw(f"`{key}` in `{text}` cannot be asked for", _NOT_KEYS[key])
            if key in keys:
                raise Flaw(f"the key `{key}` is twice in `{text}`", "keep one of them")
            if key not in KEYS:
                raise Flaw(f"unknown key `{key}` in `{text}`", f"known: {', '.join(KEYS)}")
            keys[key] = (pair[2] or pair[3] or pair[4] or pair[5] or "").strip()
            at = pair.end()
    body = re.sub(_BRACKETS, "", text).strip()
    if "[" in body or "]" in body:
        raise Flaw(f"the brackets of `{text}` do not match")
    return body, keys


def _split_head(body: str, text: str) -> tuple[str | None, str, str]:
    """The channel, the name, and the rest of a spec.

    conda takes what stands before a single colon for a name space, of which no channel has any;
    people mean the channel.
    """
    channel, colons, spec = body.rpartition("::")
    spec = spec.strip()
    # A double colon decides first: `https://host/channel::name` has a single one, too.
    if not colons and (prefix := re.match(_CHANNEL_COLON, spec)):
        channel, colons, spec = prefix[1], ":", spec[prefix.end() :]
    channel = channel.strip()
    if colons and not channel:
        raise Flaw(f"`{text}` has no channel before `{colons}`")
    if "::" in channel or (":" in channel and "://" not in channel):
        raise Flaw(f"`{channel}` in `{text}` is not a channel", "write `CHANNEL::NAME`")
    if channel.lower() == "pip" or (colons == ":" and channel.lower() == "pypi"):
        raise Flaw(
            f"`{channel}` in `{text}` is not a channel",
            f"ask for `{spec}` as a package of PyPI's, under `pip:` in an environment.yml",
        )
    if "*" in channel:
        raise Flaw(f"`{channel}` in `{text}` is not a channel", f"for any channel, write `{spec}`")
    at = re.search(r"[\s=<>!~]", spec)
    cut = at.start() if at else len(spec)
    return channel or None, spec[:cut], spec[cut:].strip()


def _split_version(rest: str, text: str) -> tuple[str, str | None]:
    """Split `=1.2=py38_0`, `1.2 py38_0`, `>=1,<2 py*` into version and build."""
    if not rest:
        return "", None
    rest = _squeezed(rest)
    if key := re.search(_LOOSE_KEY, rest):
        hint = f"write it in brackets: `[{key[1]}={key[2]}]`"
        raise Flaw(f"`{key[0][1:]}` in `{text}` is not a version", hint)
    build = None
    if tail := re.search(_SPACED_BUILD, rest) or re.search(_GLUED_BUILD, rest):
        build, rest = tail[1], rest[: tail.start()].rstrip()
        # conda reads `=1.2=py38_0` and `1.2=py38_0` as exactly 1.2, unlike `=1.2` alone.
        if rest.startswith("=") and not any(c in rest[1:] for c in "=,|"):
            rest = rest[1:]
    if not rest:
        # Nothing stood before it, so that was the version: `=1.2`.
        rest, build = f"={build}", None
    if " " in rest or "\t" in rest:
        raise Flaw(f"`{text}` is not a conda requirement", "separate version clauses with commas")
    return rest, build


def _squeezed(version: str) -> str:
    """A version without white space beside its operators; what is inside a number stays."""
    return re.sub(r"(?<=[=<>!~])\s+", "", re.sub(r"\s*([,|()])\s*", r"\1", version))


def canonical_version(text: str, *, alone: bool = True) -> str:
    """A version expression with every clause's operator written out. Raises Flaw.

    `alone` says that no build string follows. Then, in conda as in rattler, a leading `==` says
    nothing, so that `==1.2.*` is `1.2.*`; elsewhere it is exactly 1.2.
    """
    text = _squeezed(text.strip())
    if re.search(r"\s", text):
        raise Flaw(
            f"white space inside the version `{text}`", "separate version clauses with commas"
        )
    if text == "==":
        raise Flaw("`==` has no version", "write for example `==1.2`")
    text = re.sub(r"[^,|()]+", lambda clause: _with_one_operator(clause[0]), text)
    if alone:
        text = text.removeprefix("==")
    if text in ("", "*", "=*", "==*"):
        return ""
    parts = [part for part in re.split(r"([,|()])", text) if part]
    clauses = [part if part in ",|()" else _clause(part, text) for part in parts]
    # One letter for each clause, so that a single expression sees the order of all.
    shape = "".join(part if part in ",|()" else "c" for part in parts)
    # The expression below sees what follows what; it cannot count parentheses.
    depth = 0
    for part in parts:
        depth += (part == "(") - (part == ")")
        if depth < 0:
            break
    if depth or not re.fullmatch(r"\(*c\)*(?:[,|]\(*c\)*)*", shape):
        raise Flaw(f"`{text}` is not a conda version", "write for example `>=1.2,<2`")
    return "".join(clauses)


def _with_one_operator(clause: str) -> str:
    version = clause.lstrip("=<>!~")
    operator = clause.removesuffix(version) if version else clause
    if operator in _OPERATORS:
        return clause
    if operator[0] == "=" and operator[1:] in ("<=", ">=", "!=", "~="):
        return clause[1:]  # `pandas=>=1.0`, as the reference system's users write it
    meant = next((sign for sign in "<>!~" if sign in operator), "=") + "="
    raise Flaw(f"`{operator}` in `{clause}` is no operator", f"did you mean `{meant}{version}`?")


def _clause(part: str, text: str) -> str:
    parts = re.fullmatch(_CLAUSE, part.lower())
    operator, version = (parts[1] or "", parts[2]) if parts else ("", "")
    if not version or (version == "*" and operator not in ("", "=", "==", ">=")):
        hint = _looks_like(part) or "write for example `>=1.2,<2`"
        raise Flaw(f"`{part}` in `{text}` is not a conda version", hint)
    if version == "*":
        return "*"
    fuzzy = version.endswith("*")
    stem = version.rstrip("*").rstrip(".")
    if operator == "=" or (fuzzy and not operator):
        return f"{stem}.*"
    if operator == "!=":
        return f"!={stem}.*" if fuzzy else f"!={stem}"
    if fuzzy and operator == ">":
        operator = ">="  # as rattler reads `>1.*`
    return (operator or "==") + stem


def pep440(version: str) -> str | None:
    """A version expression as a PEP 440 specifier; None where that cannot say it."""
    # Without an operator stands `1.2.*` alone, PEP 440's `==1.2.*`; it has no words for `|` and `()`.
    clauses = [f"=={c}" if c[:1].isdigit() else c for c in version.split(",") if c != "*"]
    try:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        return str(SpecifierSet(",".join(clauses))) or None
    except InvalidSpecifier:
        return None


def _is_regular_expression(build: str) -> bool:
    return build.startswith("^") and build.endswith("$")


def _looks_like(text: str) -> str | None:
    """What a text may be that is no conda package."""
    text = text[:200]  # the expressions look far ahead
    for sign, hint in _LOOKS_LIKE.items():
        if re.search(sign, text):
            return hint
    return None


# In this order, of which the first that fits is said: what few things look like comes before what
# many do.
_LOOKS_LIKE = {
    r"#": "it seems to have a comment: leave that out",
    r"^-": "it seems to be an option: name channels in a place of their own",
    r"\^.*\$": "it seems to be a regular expression: write a pattern with `*`",
    r"[{$]": "it seems to be part of a template, of which something has to be put in",
    r"\.whl$|^git\+|\.git$|;|\s@\s": "it seems to be a requirement of PyPI: put it under `pip:`",
    r"\.(conda|tar\.bz2)$": "it seems to be a file: write `./NAME-VERSION-BUILD.conda`",
    r"://": "it seems to be a URL, and does not end like a conda package",
    r"\^": "it seems to be poetry's: write for example `>=1.2,<2`",
    r"^\S+:": "it seems to be a mapping: write `NAME=VERSION`",
    r"^['\"]": "leave out the quotes",
    r"@": "it seems to be npm's or poetry's: write for example `>=1.2,<2`",
    r"\s": "no space inside a name",
}
