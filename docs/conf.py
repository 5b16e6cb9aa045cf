"""How the pages are built: ``sphinx-build -W --keep-going docs docs/_build``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import ffnn_fast

project = "ffnn_fast"
author = copyright = "The ffnn_fast developers"
version = release = ffnn_fast.__version__
language = "en_GB"

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "command_help",
    "docstrings",
    "mathml",
    "pictures",
]
exclude_patterns = ["_build", "_generated"]
default_role = "py:obj"  # a link where the name is known, else code
html_math_renderer = "mathml"

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings have the types
numpydoc_show_class_members = False
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = "ffnn_fast"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_favicon = html_logo = None
html_copy_source = html_show_sourcelink = False
html_sidebars = {"index": [], "tutorial": [], "benchmarks": [], "gallery": []}
html_theme_options = {
    "logo": {"text": "ffnn_fast"},
    "navbar_align": "left",
    "navbar_persistent": [],
    "navbar_end": ["search-button", "theme-switcher"],
    "header_links_before_dropdown": 8,
    "show_nav_level": 1,
    "navigation_depth": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
