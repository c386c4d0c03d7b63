"""The role `line`: a link to the line of the source where something public is defined.

``{line}`Linear.backward``` becomes `Linear.backward` (layers/linear.py:98), and leads to the page
of that file which `sphinx.ext.viewcode` makes. And a method that a class only overrides is listed
with a reference to the docstring that it inherits, in place of one copy for each class.
"""

from __future__ import annotations

import importlib
import inspect
import re
from functools import reduce
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

import nngan


class Line(SphinxRole):
    """A link to the definition of ``nngan.<text>``."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the link."""
        thing: Any = inspect.unwrap(reduce(getattr, self.text.split("."), nngan))
        number = inspect.getsourcelines(thing)[1]
        file = thing.__module__.replace(".", "/")
        up = "../" * self.env.docname.count("/")
        page = f"{up}_modules/{file}.html#{thing.__qualname__}"
        link = nodes.reference(refuri=page, classes=["line"])
        link += nodes.literal(text=thing.__qualname__)
        link += nodes.inline(text=f" {file.removeprefix('nngan/')}.py:{number}")
        return [link], []


def inherit_by_name(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Replace an inherited docstring by the name of the method that it belongs to."""
    if what not in ("method", "property") or inspect.getdoc(thing) is None or thing.__doc__:
        return
    module, owner, method = name.rsplit(".", 2)
    for base in getattr(importlib.import_module(module), owner).__mro__[1:]:
        if getattr(vars(base).get(method), "__doc__", None):
            lines[:] = [f"See `.{base.__name__}.{method}`."]
            return


def mend_way_back(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Let the links from the source back to the reference name what stands there.

    viewcode takes all names of a file to be documented in one module, the first that it met.
    """
    if page.startswith("_modules/"):
        wrong = r'generated/([\w.]+\.)(\w+)\.html#[\w.]+?\b\2((?:\.\w+)?)"'
        context["body"] = re.sub(wrong, r'generated/\1\2.html#\1\2\3"', context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx."""
    app.add_role("line", Line())
    app.connect("autodoc-process-docstring", inherit_by_name, priority=100)
    app.connect("html-page-context", mend_way_back)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
