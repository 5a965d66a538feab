"""A bill of materials in SPDX 2.3 (JSON), made by `spdx-tools`.

The document describes an environment for each platform, which contains its packages; these depend
on each other.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from mfenv.exporting.bill import (
    NOASSERTION,
    missing,
    moment,
    notes_on_parts,
    parts_of,
    purl,
    serial,
)
from mfenv.exporting.exported import Exported, is_local, named, url_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from mfenv.exporting.bill import BillPart

__all__ = ["write"]

_FORM = "spdx"
_DOCUMENT = "SPDXRef-DOCUMENT"
_REFERENCE = re.compile(r"\bLicenseRef-[A-Za-z0-9.-]+")


def write(envs: Sequence[ResolvedEnv], licences: Mapping[Package, str]) -> Exported:
    """All packages of environments of one spec, with what is known of their licences.

    Raises `NotExportable` where the library is not installed.
    """
    try:
        from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
        from spdx_tools.spdx.model import Actor, ActorType, CreationInfo, Document
    except ImportError:
        raise missing(_FORM, "spdx-tools") from None
    parts = parts_of(envs)
    stated = {text: _Licence(text) for text in sorted(set(licences.values())) if text}
    texts = {key: text for licence in stated.values() for key, text in licence.texts.items()}
    document = Document(
        creation_info=CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id=_DOCUMENT,
            name=str(envs[0].env_id.ref),
            document_namespace=f"urn:uuid:{serial(envs)}",
            creators=[Actor(ActorType.TOOL, "mfenv")],
            created=moment(envs),
        ),
        packages=[
            *map(_environment, envs),
            *(_package(p, stated.get(licences.get(p.package, ""))) for p in parts.values()),
        ],
        relationships=list(_relationships(envs, parts)),
        extracted_licensing_info=[_extracted(key, text) for key, text in sorted(texts.items())],
    )
    # Not by the library's writer: its validation knows no host without a domain, which a private
    # index may well have, and it spells a category in a way that the schema of 2.3 does not have.
    data = DocumentConverter().convert(document)
    for reference in (r for package in data["packages"] for r in package.get("externalRefs", ())):
        reference["referenceCategory"] = reference["referenceCategory"].replace("_", "-")
    notes = [*notes_on_parts(envs, licences, _FORM)]
    if unsaid := [part.package for part in parts.values() if _is_unsaid(part.package)]:
        why = "where the host of a URL is an address or has no domain, which its tools refuse"
        notes.append(f"{_FORM} says {NOASSERTION} {why}: {named(unsaid)}")
    return Exported(text=f"{json.dumps(data, indent=2)}\n", notes=tuple(notes))


class _Licence:
    """A licence as it was stated: an expression of SPDX, with `texts` for what SPDX has no id of."""

    def __init__(self, stated: str) -> None:
        from spdx_tools.common.spdx_licensing import spdx_licensing

        self.texts = {reference: reference for reference in _REFERENCE.findall(stated)}
        try:
            # References may stand wherever an id may, and their names are free.
            wrong = bool(spdx_licensing.validate(_REFERENCE.sub("MIT", stated)).errors)
        except AttributeError:  # how it fails on signs that no licence has
            wrong = True
        if wrong:
            # What is no expression has to stand in the document, under a name of its own.
            own = f"LicenseRef-{hashlib.sha256(stated.encode()).hexdigest()[:16]}"
            self.texts = {own: stated}
            stated = own
        self.expression = spdx_licensing.parse(stated)


def _reference(part: BillPart) -> str:
    # SPDX ids have these letters alone; the digest keeps apart what they make alike.
    name = re.sub(r"[^A-Za-z0-9.-]", "-", part.package.name)
    digest = hashlib.sha256(part.key.encode()).hexdigest()[:16]
    return f"SPDXRef-{part.package.kind}-{name}-{digest}"


def _root(env: ResolvedEnv) -> str:
    return f"SPDXRef-{env.platform}"


def _environment(env: ResolvedEnv) -> Any:
    from spdx_tools.spdx.model import Package as SpdxPackage
    from spdx_tools.spdx.model import PackagePurpose, SpdxNoAssertion

    return SpdxPackage(
        spdx_id=_root(env),
        name=str(env.env_id.ref),
        version=env.full_id,
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        license_concluded=SpdxNoAssertion(),
        license_declared=SpdxNoAssertion(),
        copyright_text=SpdxNoAssertion(),
        comment=f"{env.platform}: Python {env.python}",
        primary_package_purpose=PackagePurpose.APPLICATION,
    )


def _package(part: BillPart, licence: _Licence | None) -> Any:
    from spdx_tools.spdx.model import (
        Checksum,
        ChecksumAlgorithm,
        ExternalPackageRef,
        ExternalPackageRefCategory,
        PackagePurpose,
        SpdxNoAssertion,
    )
    from spdx_tools.spdx.model import Package as SpdxPackage

    package = part.package
    hashes = package.hashes
    known = ((ChecksumAlgorithm.SHA256, hashes.sha256), (ChecksumAlgorithm.MD5, hashes.md5))
    return SpdxPackage(
        spdx_id=_reference(part),
        name=package.name,
        version=package.version,
        file_name=package.filename,
        download_location=_location(package) or SpdxNoAssertion(),
        files_analyzed=False,
        checksums=[Checksum(algorithm, value) for algorithm, value in known if value],
        source_info=_source(package),
        license_concluded=SpdxNoAssertion(),
        license_declared=licence.expression if licence else SpdxNoAssertion(),
        copyright_text=SpdxNoAssertion(),
        external_references=[
            ExternalPackageRef(
                ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", purl(package).to_string()
            )
        ],
        primary_package_purpose=PackagePurpose.LIBRARY,
    )


def _is_unsaid(package: Package) -> bool:
    """Whether it comes from a place that could be said, but for what tools of SPDX take."""
    return _place(package) is not None and _location(package) is None


def _location(package: Package) -> str | None:
    """Where to download it, as SPDX can say that."""
    from spdx_tools.spdx.validation.uri_validators import validate_download_location

    place = _place(package)
    return None if place is None or validate_download_location(place) else place


def _place(package: Package) -> str | None:
    """Where to download it; None for a place of some machine."""
    origin = package.built_from
    url = url_of(package)
    if is_local(url):
        return None
    if origin and origin.kind == "vcs":
        return f"git+{url.removeprefix('git+')}@{origin.commit}"
    return url


def _source(package: Package) -> str | None:
    origin = package.built_from
    if not origin:
        return None
    proof = f"sha256 {origin.sha256}" if origin.sha256 else f"commit {origin.commit}"
    inside = f", in {origin.subdirectory}" if origin.subdirectory else ""
    return f"built from a source ({origin.kind}, {proof}{inside})"


def _relationships(envs: Sequence[ResolvedEnv], parts: Mapping[str, BillPart]) -> Iterator[Any]:
    from spdx_tools.spdx.model import Relationship, RelationshipType

    for env in envs:
        yield Relationship(_DOCUMENT, RelationshipType.DESCRIBES, _root(env))
        for part in parts.values():
            if env.platform in part.platforms:
                yield Relationship(_root(env), RelationshipType.CONTAINS, _reference(part))
    for part in parts.values():
        for needed in part.needs:
            other = _reference(parts[needed])
            yield Relationship(_reference(part), RelationshipType.DEPENDS_ON, other)


def _extracted(reference: str, text: str) -> Any:
    from spdx_tools.spdx.model import ExtractedLicensingInfo

    return ExtractedLicensingInfo(
        license_id=reference, extracted_text=text, license_name=text.partition("\n")[0]
    )
