"""Coded concepts of what is written: SNOMED CT, LOINC and DICOM where they have one, else our own scheme.

Values and meanings of the public codes are those of pydicom's code dictionary (DICOM PS3.16).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bundles.classes import PRIVATE_SCHEME, private
from ..bundles.manifest import ClassInfo, Code
from ..measures.size_catalogue import SIZES

if TYPE_CHECKING:
    from highdicom.sr import CodedConcept
    from pydicom.dataset import Dataset


ANATOMICAL_STRUCTURE = Code("SCT", "91723000", "Anatomical Structure")
ABNORMAL_STRUCTURE = Code("SCT", "49755003", "Morphologically Abnormal Structure")
TISSUE = Code("SCT", "85756007", "Tissue")
HEART = Code("SCT", "80891009", "Heart")
LEFT_VENTRICLE = Code("SCT", "87878005", "Left ventricle")
MYOCARDIUM = Code("SCT", "74281007", "Myocardium")
MR_OF_HEART = Code("SCT", "241620005", "Magnetic resonance imaging of heart")
ARTIFICIAL_INTELLIGENCE = Code("DCM", "123110", "Artificial Intelligence")
UPPER_UNCERTAINTY = Code("SCT", "371886008", "+, range of upper measurement uncertainty")
LOWER_UNCERTAINTY = Code("SCT", "371885007", "-, range of lower measurement uncertainty")
VOLUME = Code("SCT", "118565006", "Volume")

MILLILITRE = Code("UCUM", "ml", "milliliter")
GRAM = Code("UCUM", "g", "gram")
PERCENT = Code("UCUM", "%", "percent")
MILLIMETRE = Code("UCUM", "mm", "millimeter")
NO_UNITS = Code("UCUM", "1", "no units")
UNITS = {"ml": MILLILITRE, "g": GRAM, "percent": PERCENT, "mm": MILLIMETRE}

MEASURES: dict[str, Code] = {
    **{info.key: info.code for info in SIZES},
    "transmurality_mean_percent": private("TRMEAN", "Mean transmurality of infarcted chords"),
    "transmurality_max_percent": private("TRMAX", "Maximum transmurality of chords"),
    "infarcted_circumference_percent": private("INFCIRC", "Infarcted share of circumference"),
    "infarct_share_percent": private("SEGSHARE", "Infarct share of segment"),
    "wall_thickness_mm": private("WALLTH", "Wall thickness"),
    "mean_scs": private("SCSMEAN", "Mean soft correction score"),
    "mean_error_probability": private("PWRMEAN", "Mean probability of a wrong label"),
}

_SNOMED_SEGMENTS = (
    ("264850008", "left ventricle basal anterior segment"),
    ("396482007", "left ventricle basal anteroseptal segment"),
    ("396646008", "left ventricle basal inferoseptal segment"),
    ("264846001", "left ventricle basal inferior segment"),
    ("396652009", "left ventricle basal inferolateral segment"),
    ("396654005", "left ventricle basal anterolateral segment"),
    ("264848000", "left ventricle mid anterior segment"),
    ("396647004", "left ventricle mid anteroseptal segment"),
    ("396649001", "left ventricle mid inferoseptal segment"),
    ("264847005", "left ventricle mid inferior segment"),
    ("396655006", "left ventricle mid inferolateral segment"),
    ("396656007", "left ventricle mid anterolateral segment"),
    ("264844003", "left ventricle apical anterior segment"),
    ("264845002", "left ventricle apical septal segment"),
    ("264849008", "left ventricle apical inferior segment"),
    ("264853005", "left ventricle apical lateral segment"),
    ("128564006", "Apex of left ventricle"),
)
AHA_SEGMENTS: dict[int, Code] = {
    number: Code("SCT", value, meaning) for number, (value, meaning) in enumerate(_SNOMED_SEGMENTS, start=1)
}


def unit_of(key: str) -> Code:
    """Unit of a measure from the last part of its key; scores and probabilities have none."""
    return UNITS.get(key.rsplit("_", 1)[-1], NO_UNITS)


def category_of(info: ClassInfo) -> Code:
    """Segmented property category of a class."""
    if info.name in ("infarct", "MVO"):
        return ABNORMAL_STRUCTURE
    return TISSUE if "myocardium" in info.name else ANATOMICAL_STRUCTURE


def concept(code: Code) -> CodedConcept:
    """The code as highdicom wants it."""
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, code.scheme, code.meaning)


def describe_private_scheme(dataset: Dataset) -> None:
    """Say in a data set whose codes ``99CARDIACUQ`` are (Coding Scheme Identification Sequence)."""
    from pydicom.dataset import Dataset

    scheme = Dataset()
    scheme.CodingSchemeDesignator = PRIVATE_SCHEME
    scheme.CodingSchemeName = "CardiacUQ private codes"
    scheme.CodingSchemeResponsibleOrganization = "CardiacUQ"
    dataset.CodingSchemeIdentificationSequence = [scheme]
