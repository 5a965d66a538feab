from __future__ import annotations

import warnings

# Metaflow's own YAML warns where PyYAML is installed; that is not for its users to mend.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import metaflow  # noqa: F401 - for the tests to find it imported
