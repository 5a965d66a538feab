"""Every file of other projects in ../shared/data parses, or fails for a reason stated here."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement as Pep508
from packaging.utils import canonicalize_name

import reqparse

DATA = Path(__file__).resolve().parents[4] / "shared/data"
FOLDERS = ("wild", "environment-yml", "env-specs", "locks", "public-locks", "resolved-projects")
pytestmark = pytest.mark.shared

NO_INCLUDE = "no such file"  # the sample has the file without those it includes
NO_REQUIREMENT = "is not a requirement"
CONDA_LINES = "a channel is conda's word"  # lists for `conda install --file`, not for pip
# Part of the path → part of every problem.
INTENDED = {
    "buildtimetrend-python-client-requirements-native.txt": "is more than a name",
    "env/jupyterhub+repo2docker/tests/venv/binder-dir/environment.yml": "not YAML",
    "Elchi3-kuma-requirements-dev.txt": NO_INCLUDE,
    "nikdoof-test-auth-requirements.txt": "`fabric==dev`",  # no version of PEP 440
    "wild/req/aboutcode-org+pip-requirements-parser/tests/pip_requirements_parser_tests/data/"
    "requirements/pip-docs-examples.txt": "",  # command lines, not lines of a file
    "pip-docs-examples2.txt": NO_INCLUDE,
    "pip-docs-examples3.txt": NO_INCLUDE,
    "requirement-parser-issues.txt": "",  # a collection of lines that pip refuses
    "conda+conda/.devcontainer/requirements-dev.txt": CONDA_LINES,
    "conda+conda/tests/requirements-Linux.txt": CONDA_LINES,
    "conda+conda/tests/requirements-s3.txt": CONDA_LINES,
    "conda+conda-libmamba-solver/dev/requirements.txt": CONDA_LINES,
    "pytest-conda-solvers/tests/requirements.txt": CONDA_LINES,
    "holoviz+panel/examples/apps/django/requirements.txt": "compare with `==`",
    "reqfiles/global_options_requirements.txt": "-c option requires 1 argument",
    "opentelemetry-exporter-otlp-json-common/benchmark-requirements.txt": NO_INCLUDE,
    "rerun-io+rerun/tests/python/requirements.txt": NO_INCLUDE,
    "test-message/conda.txt": NO_REQUIREMENT,  # messages of conda, not requirements
    "test-message/mamba.txt": NO_REQUIREMENT,
    "test-stdout/conda.txt": "",
    "test-stdout/mamba.txt": "",
    "test-recipe/meta.yaml": "a conda recipe",
    "conda-lock-v1-missing-package.yml": "this is no environment.yml",
    "pylock.invalid.toml": "this is no pyproject.toml",
    # Files beside environments, which are none.
    "quetz/dev_config.toml": "this is no pyproject.toml",
    "test-archspec/virtual-packages.yaml": "the virtual packages of conda-lock",
    "test-cuda/virtual-packages": "the virtual packages of conda-lock",
    "test-pip-respects-glibc-version/virtual-packages.yml": "the virtual packages of conda-lock",
    "test-lookup/emoji-to-python-dateutil-lookup.yml": "it has `python-dateutil`",
}
_DEPENDENCIES = re.compile(r"^[{\"']*dependencies", re.MULTILINE)


def files() -> list[Any]:
    if not DATA.exists():
        return [pytest.param(DATA, marks=pytest.mark.skip(reason="no ../shared/data"))]
    found = (path for folder in FOLDERS for path in sorted((DATA / folder).rglob("*")))
    return [
        pytest.param(path, id=str(path.relative_to(DATA)))
        for path in found
        if path.is_file() and path.name != "INDEX.json" and not path.name.startswith("LICENSE")
    ]


def parse(path: Path) -> reqparse.RequirementSet | None:
    try:
        return reqparse.parse_file(path, env={})
    except reqparse.ParseErrors:
        return None


@pytest.mark.parametrize("path", files())
def test_a_file_parses_or_fails_as_intended(path: Path) -> None:
    intended = [what for part, what in INTENDED.items() if part in str(path)]
    if not intended:
        reqparse.parse_file(path, env={})
        return
    with pytest.raises(reqparse.ParseErrors) as caught:
        reqparse.parse_file(path, env={})
    assert all(intended[0] in str(problem) for problem in caught.value.problems)


@pytest.mark.parametrize("path", files())
def test_pypi_requirements_are_what_packaging_reads(path: Path) -> None:
    found = parse(path) or reqparse.RequirementSet()
    for ours in (*found.requirements, *found.constraints):
        if ours.category != "pypi" or ours.name is None:
            continue
        theirs = Pep508(ours.text)
        assert canonicalize_name(theirs.name) == ours.name
        assert theirs.url == ours.url
        assert tuple(sorted(theirs.extras)) == ours.extras
        assert (str(theirs.marker) if theirs.marker else None) == ours.marker
        if ours.url is None:
            assert str(theirs.specifier) == ours.specifier


@pytest.mark.parametrize("path", files())
def test_every_yaml_entry_becomes_something(path: Path) -> None:
    # The longest are lock files without that key, which yaml's own reader takes seconds to read.
    if path.suffix not in (".yml", ".yaml") or not _DEPENDENCIES.search(path.read_text()):
        return
    found = parse(path)
    document = yaml.safe_load(path.read_text()) if found else None
    if found is None or not isinstance(document, dict) or "dependencies" not in document:
        return
    conda = [d for d in document["dependencies"] or () if isinstance(d, str)]
    pip = [
        line
        for d in document["dependencies"] or ()
        if isinstance(d, dict)
        for line in d.get("pip") or ()
    ]
    selected = [  # mamba's `sel(linux): name`
        value
        for d in document["dependencies"] or ()
        if isinstance(d, dict)
        for key, value in d.items()
        if key.startswith("sel(")
    ]
    ours = [r.original for r in found.requirements if r.category == "conda"]
    assert sorted(ours) == sorted([*conda, *selected])
    includes = [line for line in pip if line.startswith(("-r", "--", "python="))]
    if not includes:
        assert len([r for r in found.requirements if r.category == "pypi"]) == len(pip)
    channels = [c for c in document.get("channels") or () if c != "nodefaults"]
    ours = [s.secret_url for s in found.sources if s.kind == "channel"]
    assert [c for c in ours if "$" not in c] == list(
        dict.fromkeys(c for c in channels if "$" not in c)
    )
    assert found.name == document.get("name")


READ_SPECS = """\
import json, os, sys
from rattler import MatchSpec
def read(text):
    spec = MatchSpec(text)
    parts = [spec.name.normalized, spec.version, spec.build, spec.channel and spec.channel.name]
    return [None if part in (None, "*") else str(part) for part in map(lambda p: p and str(p), parts)]
json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
sys.stdout.flush()
os._exit(0)  # rattler may crash a process that ends normally
"""
LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")  # rattler prints versions without them
REFERENCE_ONLY = ("pandas=>=1.0.0",)  # the reference system's spelling, which conda refuses


@pytest.mark.slow
@pytest.mark.network
def test_rattler_reads_our_conda_specs_as_it_reads_the_originals() -> None:
    uv = pytest.importorskip("uv").find_uv_bin()
    pairs: dict[str, reqparse.Requirement] = {}
    for case in files():
        found = parse(case.values[0]) if case.values[0].suffix in (".yml", ".yaml") else None
        for requirement in found.requirements if found else ():
            if requirement.category == "conda" and requirement.original not in REFERENCE_ONLY:
                pairs[requirement.original] = requirement
    if not pairs:
        pytest.skip("no ../shared/data")
    originals, ours = list(pairs), [requirement.text for requirement in pairs.values()]
    command = [uv, "run", "-q", "--no-project", "--with", "py-rattler", "python", "-c", READ_SPECS]
    output = subprocess.run(
        command, input=json.dumps(originals + ours), capture_output=True, text=True, check=False
    )
    assert output.returncode == 0, output.stderr
    answers = json.loads(output.stdout)
    assert len(originals) > 500
    assert answers[: len(originals)] == answers[len(originals) :]
    for requirement, (name, version, build, _) in zip(
        pairs.values(), answers[len(originals) :], strict=True
    ):
        assert requirement.name == name
        assert requirement.build in (build, None if build else "*")
        assert LEADING_ZEROS.sub("", requirement.specifier) == LEADING_ZEROS.sub("", version or "")


@pytest.mark.slow
def test_every_version_of_conda_forge_can_be_asked_for() -> None:
    path = DATA / "versions/parsed_versions.txt"
    if not path.exists():
        pytest.skip("no ../shared/data")
    versions = [
        line.split("=[")[0].strip()
        for line in path.read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    assert len(versions) > 28_000
    for version in versions:
        found = reqparse.parse_requirement(f"a =={version}", category="conda")
        assert found.specifier == f"=={version.lower()}"
