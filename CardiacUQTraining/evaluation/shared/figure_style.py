"""How all figures of an evaluation look: resolution and colours."""

from __future__ import annotations

DPI = 110
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#8C564B",
    "#7F7F7F",
    "#B8A800",
)
"""Colour-blind-safe (Okabe and Ito), in the order of the methods; both stages of a method share one."""
