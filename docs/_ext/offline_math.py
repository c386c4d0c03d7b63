"""Equations as MathML, made while the site is built: no script, no font, no network."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

# latex2mathml takes these for names of numbers; as operators they get their room, as in a ln p. (An
# element of space beside them would be one too many under a superscript, as in tanh^2.)
FUNCTION = re.compile(r"<mi>(ln|log|exp|sin|cos|tanh)</mi>(?=(<mo)?)")
PLUS_MINUS = re.compile(r"<mi>(&#x000B1;|±)</mi>")


def mathml(node: nodes.Element, display: str) -> str:
    """Return an equation as an element of HTML."""

    def operator(match: re.Match[str]) -> str:
        name, bracket = match.groups()
        room = "0" if bracket else "0.17em"  # before what is not in brackets
        return f'<mo form="prefix" lspace="0.17em" rspace="{room}">{name}</mo>'

    text = convert(node.astext(), display=display)
    return PLUS_MINUS.sub(r"<mo>\1</mo>", FUNCTION.sub(operator, text))


def inline(writer: Any, node: nodes.math) -> None:
    """Write an equation within a line."""
    writer.body.append(mathml(node, "inline"))
    raise nodes.SkipNode


def block(writer: Any, node: nodes.math_block) -> None:
    """Write an equation of its own, which scrolls where the page is narrower."""
    writer.body.append(f'<div class="math">{mathml(node, "block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
