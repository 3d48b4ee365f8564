"""Is a volume late enhancement or a frame of a cine? By what Slicer knows of it, by its name at last."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass

import slicer
from slicer.i18n import tr as _


class Contrast(enum.Enum):
    """What the bundles are made for."""

    LGE = "late enhancement"
    CINE = "cine"


@dataclass(frozen=True)
class Evidence:
    """A guess and what speaks for it, in words that follow the volume's name."""

    contrast: Contrast
    words: str


_CINE_WORDS = re.compile(r"cine|bssfp|ssfp|trufi|fiesta|b-?tfe|(?<![a-z])(sax|ed|es)(?![a-z])", re.IGNORECASE)
_LGE_WORDS = re.compile(
    r"lge|psir|enhanc|viab|(?<![a-z])(de|ir|tfi|dhe)(?![a-z])|delayed|late", re.IGNORECASE
)
_INVERSION_TIME, _SCANNING_SEQUENCE = "0018,0082", "0018,0020"
_CARDIAC_IMAGES, _TEMPORAL_POSITIONS = "0018,1090", "0020,0105"
_SERIES_DESCRIPTION, _PROTOCOL = "0008,103e", "0018,1030"


def evidence_of(volume: slicer.vtkMRMLScalarVolumeNode) -> Evidence | None:
    """The strongest evidence: a sequence, then the DICOM header, then the name; None if nothing speaks."""
    return _from_sequence(volume) or _from_dicom(volume) or _from_words(volume.GetName() or "", _("its name"))


def _from_sequence(volume: slicer.vtkMRMLScalarVolumeNode) -> Evidence | None:
    """A volume that a sequence browser replays is a frame of a cine."""
    for browser in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode", volume.GetScene()):
        if browser.IsProxyNodeID(volume.GetID()) and browser.GetNumberOfItems() > 1:
            words = _("it is one of {count} images of a sequence")
            return Evidence(Contrast.CINE, words.format(count=browser.GetNumberOfItems()))
    return None


def _from_dicom(volume: slicer.vtkMRMLScalarVolumeNode) -> Evidence | None:
    """The header of its first image, if Slicer's DICOM database has it."""
    instance = (volume.GetAttribute("DICOM.instanceUIDs") or "").partition(" ")[0]
    database = getattr(slicer, "dicomDatabase", None)
    if not instance or database is None:
        return None

    def value(tag: str) -> str:
        return str(database.instanceValue(instance, tag) or "").strip()

    if _number(value, _INVERSION_TIME) > 0 or "IR" in value(_SCANNING_SEQUENCE).upper().split("\\"):
        return Evidence(Contrast.LGE, _("its DICOM header tells of an inversion pulse"))
    if max(_number(value, _CARDIAC_IMAGES), _number(value, _TEMPORAL_POSITIONS)) > 1:
        return Evidence(Contrast.CINE, _("its DICOM header tells of several heart phases"))
    description = f"{value(_SERIES_DESCRIPTION)} {value(_PROTOCOL)}"
    return _from_words(description, _("the description of its series"))


def _number(value: Callable[[str], str], tag: str) -> float:
    try:
        return float(value(tag))
    except ValueError:
        return 0.0


def _from_words(text: str, where: str) -> Evidence | None:
    """Words that technicians use; those of late enhancement count more, they are the rarer ones."""
    for contrast, words in ((Contrast.LGE, _LGE_WORDS), (Contrast.CINE, _CINE_WORDS)):
        found = words.search(text)
        if found:
            return Evidence(contrast, _("{where} says {word}").format(where=where, word=found[0]))
    return None
