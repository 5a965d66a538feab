from __future__ import annotations

import warnings

from tests.session import pytest_collection_finish, pytest_configure, pytest_xdist_auto_num_workers

__all__ = ["pytest_collection_finish", "pytest_configure", "pytest_xdist_auto_num_workers"]

# Metaflow's own YAML warns where PyYAML is installed; that is not for its users to mend.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import metaflow  # noqa: F401 - for the tests to find it imported
