"""Synthetic hearts with known truth: LGE stacks, cine pairs and analytic cylinders (numpy and scipy only)."""

from .files import as_volume, write_phantom
from .infarct import Territory
from .lge import Reconstruction, lge_phantom
from .model import LabelledPhantom

write = write_phantom

__all__ = [
    "LabelledPhantom",
    "Reconstruction",
    "Territory",
    "as_volume",
    "lge_phantom",
    "write",
    "write_phantom",
]
