"""What of Metaflow's needs an environment has: versions are read as `packaging` reads them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from metaflow_extensions.mfenv.needs import fits

VERSIONS = ("0", "2", "2.0", "2.21", "2.21.0", "2.21.0.1", "2.3", "10.0", "2021.4", "02.21")
OTHERS = ("2.22rc1", "2.21.post1", "2.21.dev1", "1!2.0", "2.22+conda", "2.21.0a", "2.21*", "9e", "")
PINS = (">=2.21.0", ">=2.21", ">=2", ">=0", ">=2021", ">=2.21rc1", ">= 2.21", ">2.21", "==2.21.*")


def fits_by_packaging(version: str, pin: str) -> bool:
    try:
        return SpecifierSet(pin).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


@pytest.mark.parametrize("pin", [*PINS, ">=2.21,<3", "~=2.1", "!=2.21"])
def test_versions_fit_as_packaging_says(pin: str) -> None:
    found = {version: fits(version, pin) for version in (*VERSIONS, *OTHERS)}
    assert found == {version: fits_by_packaging(version, pin) for version in found}


def test_numbers_are_compared_without_packaging() -> None:
    code = (
        "import sys\n"
        "from metaflow_extensions.mfenv.needs import fits\n"
        "assert fits('2.32.3', '>=2.21.0') and not fits('2.3', '>=2.21.0')\n"
        "assert 'packaging' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
