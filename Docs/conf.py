"""How Sphinx makes the site of these pages: `make docs`. Nothing in it is loaded from elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "CardiacUQ"), str(HERE.parent / "Tools")]

from latex2mathml.converter import convert  # noqa: E402
from make_reference import write_reference  # noqa: E402

from CardiacUQLib.base.version import __version__  # noqa: E402

project = "CardiacUQ"
author = "CardiacUQ contributors"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["generated/.*"]
suppress_warnings = ["myst.xref_missing"]  # links to files of the repository that are no pages
html_theme = "furo"
html_title = "CardiacUQ"
html_copy_source = False
html_show_copyright = False
html_show_sourcelink = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
nitpicky = False


def _as_mathml(translator: Any, node: Any) -> None:
    """Equations as MathML, which every browser draws by itself: no script, no font from elsewhere."""
    from docutils import nodes

    block = isinstance(node, nodes.math_block)
    mathml = convert(node.astext(), display="block" if block else "inline")
    # the theme lets wide equations scroll, and would cut what MathML draws above and below its line
    translator.body.append(f'<div style="padding: 0.8em 0">{mathml}</div>' if block else mathml)
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Write the pages that come from catalogues, and draw equations as MathML."""
    write_reference(HERE / "generated")
    app.add_html_math_renderer("mathml", (_as_mathml, None), (_as_mathml, None))


html_math_renderer = "mathml"
