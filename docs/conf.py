"""How Sphinx makes the site: `hatch run docs:build`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "mfenv"
author = "the authors of mfenv"
copyright = author  # noqa: A001 - the name that Sphinx looks for
extensions = ["myst_parser", "sphinx.ext.autodoc", "generated"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 4

# Docstrings are made into reStructuredText by `generated`, and have no types of Sphinx's own.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}

# Beside a page of the Python API stand its modules, not every name in them.
toc_object_entries = False

# Annotations name types without their modules, and some names are those of several.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = "mfenv"
html_copy_source = False
html_show_sphinx = False
