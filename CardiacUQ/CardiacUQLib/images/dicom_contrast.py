"""Which reconstruction a DICOM series holds, as far as its headers say: magnitude, PSIR or phase.

Inversion recovery is stored by vendors as magnitude (M), real or phase-sensitive (R, PSIR) and phase
(P) images that look alike in a list of series. What was read is told; nothing is guessed from grey values.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from .dicom_headers import FrameHeader

PHASE_SENSITIVE = frozenset({"PSIR", "PS", "R", "REAL", "R_IR"})
PHASE = frozenset({"P", "PHASE", "P_IR", "PHASE MAP"})
PREFERRED = ("psir", "norm", "magnitude")
"""Which type of image is taken where a series has several and nobody has chosen: late enhancement is read on
phase-sensitive images, and those corrected for the coils are more even."""
_FIRST_VENDOR_VALUE = 2
"""ImageType: value 1 original or derived, value 2 primary or secondary, from value 3 on the vendor's."""


def contrast_notes(image_types: Sequence[str], description: str = "") -> tuple[str, ...]:
    """Lines for the reader about a series; ``image_types`` are the images' ImageType, split by backslash."""
    kinds = Counter(reconstruction(text) for text in image_types)
    if len(kinds) > 1:
        counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        return (f"the series mixes reconstructions ({counted} images); export magnitude and PSIR apart",)
    kind = next(iter(kinds), "magnitude")
    if kind == "phase":
        return ("these are phase images; the magnitude or the PSIR series shows the infarct",)
    words = set(re.split(r"[^A-Z0-9]+", description.upper()))
    if kind == "PSIR" or "PSIR" in words:
        return ("the series is a phase-sensitive (PSIR) reconstruction: its grey values are signed",)
    return ()


def reconstruction(image_type: str) -> str:
    """ "PSIR", "phase" or "magnitude", by the vendor's values of ImageType."""
    values = {value.strip().upper() for value in image_type.split("\\")[_FIRST_VENDOR_VALUE:]}
    if values & PHASE_SENSITIVE:
        return "PSIR"
    return "phase" if values & PHASE else "magnitude"


def by_type(frames: Sequence[FrameHeader]) -> Mapping[str, list[FrameHeader]]:
    """Frames by what kind of image they are: by reconstruction, else by the words of their image type."""
    kinds: dict[str, list[FrameHeader]] = {}
    for frame in frames:
        kinds.setdefault(reconstruction(frame.image_type), []).append(frame)
    if len(kinds) > 1:
        return kinds
    words: dict[str, list[FrameHeader]] = {}
    for frame in frames:
        words.setdefault(frame.image_type, []).append(frame)
    return words


def fits(kind: str, wanted: str) -> bool:
    """True if ``wanted`` names the kind, or is a word of the image type that stands for it."""
    words = {word.strip().lower() for word in kind.split("\\")}
    return wanted.lower() in words
