"""Synthetic hearts with known truth: LGE stacks, cine pairs and analytic cylinders (numpy and scipy only)."""

from .cine import cine_phantom
from .cylinder import cylinder_phantom
from .files import as_volume, write_phantom
from .infarct import Territory
from .lge import lge_phantom
from .lge_signal import Reconstruction
from .model import CinePhantom, LabelledPhantom

write = write_phantom

__all__ = [
    "CinePhantom",
    "LabelledPhantom",
    "Reconstruction",
    "Territory",
    "as_volume",
    "cine_phantom",
    "cylinder_phantom",
    "lge_phantom",
    "write",
    "write_phantom",
]
