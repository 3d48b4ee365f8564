"""Source headers as highdicom needs them: what an export has stripped or spoilt is completed, or named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..base.errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "FrameOfReferenceUID")
_EMPTY_IF_ABSENT = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""Attributes of type 2: they must be in every object derived from the images, but may be empty."""
_ASCII, _UTF8 = "ISO 2022 IR 6", "ISO_IR 192"


def completed(folder: Path, image: Dataset) -> Dataset:
    """The header with every attribute that derived objects copy, each valid or empty.

    Raises InputError that names a UID without which nothing can refer to the image.
    """
    absent = [name for name in _NEEDED if not image.get(name)]
    if absent:
        raise InputError(
            folder, f"the images have no {absent[0]}", "export the series from the scanner or PACS again"
        )
    _settle_characters(image)
    for name in _EMPTY_IF_ABSENT:
        if name not in image:
            setattr(image, name, "")
    if str(image.PatientSex or "") not in ("M", "F", "O", ""):
        image.PatientSex = ""
    for name in ("PatientBirthDate", "StudyDate", "StudyTime"):
        if not _is_valid(image, name):
            setattr(image, name, "")
    return image


def _is_valid(image: Dataset, name: str) -> bool:
    from pydicom.valuerep import DA, TM

    try:
        (TM if name.endswith("Time") else DA)(image[name].value)
    except (ValueError, TypeError):
        return False
    return True


def _settle_characters(image: Dataset) -> None:
    """Decode all texts, then name the character sets as highdicom knows them: an empty first one is ASCII,
    unknown ones become UTF-8."""
    from highdicom.enum import SpecificCharacterSetValues

    declared = image.get("SpecificCharacterSet")
    if declared is None:
        return
    try:
        image.decode()
    except (ValueError, LookupError, AttributeError):
        declared = _UTF8
    sets = [declared] if isinstance(declared, str) else [str(one) for one in declared]
    known = {value.value for value in SpecificCharacterSetValues}
    settled = [one or (_ASCII if len(sets) > 1 else "") for one in sets]
    if settled == [""]:
        del image.SpecificCharacterSet
    elif all(one in known for one in settled):
        image.SpecificCharacterSet = settled if len(settled) > 1 else settled[0]
    else:
        image.SpecificCharacterSet = _UTF8
