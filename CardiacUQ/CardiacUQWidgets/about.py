"""Where the module's help and acknowledgement lead to."""

from __future__ import annotations

HOMEPAGE = "https://github.com/CardiacUQ/SlicerCardiacUQ"
HELP = (("tutorial and documentation", HOMEPAGE), ("questions and faults", f"{HOMEPAGE}/issues"))
PAPERS = (
    ("late enhancement: Schwab, Haltmeier, Mayr 2025", "https://openreview.net/forum?id=Ch3bNZILax"),
    ("cine: Liu, Zhong, Wen, Wu 2025", "https://doi.org/10.48550/arXiv.2502.09269"),
)


def links(named: tuple[tuple[str, str], ...]) -> str:
    """Pairs of a text and an address as the HTML that Slicer shows."""
    return "".join(f'<p><a href="{address}">{text}</a></p>' for text, address in named)
