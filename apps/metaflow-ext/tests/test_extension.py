from __future__ import annotations

import subprocess
import sys
from importlib.metadata import requires

from metaflow_extensions.mfenv.__about__ import __version__
from metaflow_extensions.mfenv.releases import OLDEST


def test_metaflow_reports_the_extension_by_name_and_version() -> None:
    # In a process of its own, since Metaflow looks for extensions once, when it is imported.
    code = (
        "import metaflow.extension_support as support\n"
        "found = support._all_packages['metaflow-mfenv']\n"
        "print(found['version'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__


def test_the_oldest_release_is_the_one_that_is_declared() -> None:
    declared = [text for text in requires("metaflow-mfenv") or () if text.startswith("metaflow>")]
    assert declared == [f"metaflow>={'.'.join(map(str, OLDEST))}"]
