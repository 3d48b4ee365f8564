"""The labels of the two methods: values, names, colours (colour-blind safe) and codes."""

from __future__ import annotations

from .manifest import ClassInfo, Code

PRIVATE_SCHEME = "99CARDIACUQ"


def private(value: str, meaning: str) -> Code:
    """A code of our own scheme, for what SNOMED CT, LOINC and DICOM have none for."""
    return Code(PRIVATE_SCHEME, value, meaning)


BACKGROUND = ClassInfo(0, "background", "#999999", private("BG", "Background"))

LGE_CLASSES: tuple[ClassInfo, ...] = (
    BACKGROUND,
    ClassInfo(1, "blood pool", "#D55E00", Code("SCT", "87878005", "Left ventricle")),
    ClassInfo(2, "healthy myocardium", "#0072B2", Code("SCT", "74281007", "Myocardium")),
    ClassInfo(3, "infarct", "#F0E442", Code("SCT", "55641003", "Infarct")),
    ClassInfo(4, "MVO", "#CC79A7", private("MVO", "Microvascular obstruction")),
)

CINE_CLASSES: tuple[ClassInfo, ...] = (
    BACKGROUND,
    ClassInfo(1, "RV", "#56B4E9", Code("SCT", "53085002", "Right ventricle")),
    ClassInfo(2, "myocardium", "#0072B2", Code("SCT", "74281007", "Myocardium")),
    ClassInfo(3, "LV", "#D55E00", Code("SCT", "87878005", "Left ventricle")),
)

LESIONS = {"infarct": ("infarct", "MVO"), "MVO": ("MVO",)}
"""Lesions by name and the classes whose joint volume counts; MVO is part of the infarct."""
