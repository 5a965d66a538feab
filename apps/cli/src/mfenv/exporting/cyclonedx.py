"""A bill of materials in CycloneDX 1.6 (JSON), made by `cyclonedx-python-lib`.

The environment is the component that the bill is of; each package says in properties which
platforms have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envid.graph import top_level
from mfenv.exporting.bill import (
    NOASSERTION,
    missing,
    moment,
    notes_on_parts,
    parts_of,
    purl,
    serial,
)
from mfenv.exporting.exported import Exported, is_local, url_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cyclonedx.model import ExternalReference, HashType
    from cyclonedx.model.component import Component
    from cyclonedx.model.dependency import Dependency

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from mfenv.exporting.bill import BillPart

__all__ = ["write"]

_FORM = "cyclonedx"
_ROOT = "environment"


def write(envs: Sequence[ResolvedEnv], licences: Mapping[Package, str]) -> Exported:
    """All packages of environments of one spec, with what is known of their licences.

    Raises `NotExportable` where the library is not installed.
    """
    try:
        from cyclonedx.model.bom import Bom, BomMetaData
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.output import make_outputter
        from cyclonedx.schema import OutputFormat, SchemaVersion
    except ImportError:
        raise missing(_FORM, "cyclonedx-python-lib") from None
    parts = parts_of(envs)
    env = envs[0]
    said = [("req_id", env.req_id), ("full_id", env.full_id)]
    said += [(f"python:{env.platform}", env.python) for env in envs]
    root = Component(
        name=env.req_id,
        version=env.full_id,
        type=ComponentType.APPLICATION,
        bom_ref=_ROOT,
        properties=_properties(said),
    )
    tool = Component(name="mfenv", type=ComponentType.APPLICATION, bom_ref="mfenv")
    bom = Bom(
        serial_number=serial(envs),
        metadata=BomMetaData(component=root, timestamp=moment(envs), tools=_tools(tool)),
        components=[_component(part, licences.get(part.package)) for part in parts.values()],
        dependencies=[
            _dependency(_ROOT, top_level({part.key: part.needs for part in parts.values()})),
            *(_dependency(part.key, part.needs) for part in parts.values()),
        ],
    )
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    return Exported(text=f"{text}\n", notes=tuple(notes_on_parts(envs, licences, _FORM)))


def _tools(tool: Component) -> Any:
    from cyclonedx.model.tool import ToolRepository

    return ToolRepository(components=[tool])


def _properties(said: Iterable[tuple[str, str]]) -> Any:
    from cyclonedx.model import Property

    return [Property(name=f"mfenv:{name}", value=value) for name, value in said]


def _dependency(key: str, needs: Iterable[str]) -> Dependency:
    from cyclonedx.model.bom_ref import BomRef
    from cyclonedx.model.dependency import Dependency

    return Dependency(BomRef(key), [Dependency(BomRef(needed)) for needed in needs])


def _component(part: BillPart, licence: str | None) -> Component:
    from cyclonedx.model.component import Component, ComponentType

    package = part.package
    # CycloneDX has no word for platforms.
    said = [("platform", platform) for platform in part.platforms]
    if not licence:
        said.append(("licence", NOASSERTION))
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=part.key,
        purl=purl(package),
        hashes=_hashes(package.hashes.sha256, package.hashes.md5),
        licenses=[_licence(licence)] if licence else [],
        external_references=list(_references(package)),
        properties=_properties(said),
    )


def _hashes(sha256: str | None, md5: str | None = None) -> list[HashType]:
    from cyclonedx.model import HashAlgorithm, HashType

    known = ((HashAlgorithm.SHA_256, sha256), (HashAlgorithm.MD5, md5))
    return [HashType(alg=algorithm, content=value) for algorithm, value in known if value]


def _references(package: Package) -> Iterator[ExternalReference]:
    """The file that was installed, or the source that it was built from."""
    from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri

    origin = package.built_from
    url = url_of(package)
    if is_local(url):
        return
    kind, hashes = ExternalReferenceType.DISTRIBUTION, _hashes(package.hashes.sha256)
    if origin:
        vcs = origin.kind == "vcs"
        kind = ExternalReferenceType.VCS if vcs else ExternalReferenceType.SOURCE_DISTRIBUTION
        hashes = _hashes(origin.sha256)
    comment = f"commit {origin.commit}" if origin and origin.commit else None
    yield ExternalReference(type=kind, url=XsUri(url), hashes=hashes, comment=comment)


def _licence(stated: str) -> Any:
    """A licence as it was stated: an id or an expression of SPDX, or else a text with a name."""
    from cyclonedx.model import AttachedText
    from cyclonedx.model.license import (
        DisjunctiveLicense,
        LicenseAcknowledgement,
        LicenseExpression,
    )
    from cyclonedx.spdx import is_expression, is_supported_id

    declared = LicenseAcknowledgement.DECLARED
    if is_supported_id(stated):
        return DisjunctiveLicense(id=stated, acknowledgement=declared)
    if is_expression(stated):
        return LicenseExpression(stated, acknowledgement=declared)
    name = stated.partition("\n")[0]
    text = AttachedText(content=stated) if name != stated else None
    return DisjunctiveLicense(name=name, text=text, acknowledgement=declared)
