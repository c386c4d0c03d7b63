"""How the site is built: ``make docs``."""

import sys
from importlib.resources import files
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import nngan

project = "nngan"
author = "the nngan authors"
copyright = "the nngan authors, MIT licence"
version = release = nngan.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "source_lines",
    "offline_math",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

# Every reference must lead somewhere. In docstrings single backticks mean code, and become a link
# where a public name is meant: only there a name may be unknown.
nitpicky = True
default_role = "py:obj"
nitpick_ignore_regex = [("py:obj", ".*")]

autodoc_typehints = "none"  # numpydoc's sections say more: shapes, and what None means
autodoc_member_order = "bysource"
autosummary_ignore_module_all = False  # a module's page lists the names in its __all__
numpydoc_show_class_members = False

# Notebooks are committed with their outputs; `make test-notebooks` proves that they are true.
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, str] = {}  # they would come from another server
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
myst_update_mathjax = False
html_math_renderer = "mathml"

html_theme = "pydata_sphinx_theme"
html_title = "nngan"
# MathML wants a font that knows how to set equations; this package brings STIX Two Math along.
html_static_path = ["_static", str(files("ziamath") / "fonts")]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = {"*": [], "api": ["sidebar-nav-bs"]}  # where there are pages below
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 5,
    # Not on notebooks, whose cells are wide.
    "secondary_sidebar_items": {"[!n]*": ["page-toc"], "beside": [], "notebooks/*": []},
    "footer_start": ["copyright"],
    "footer_end": [],
}
