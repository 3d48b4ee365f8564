"""DICOM objects that are no images of a scanner, by their SOP class, in words."""

from __future__ import annotations

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_NO_IMAGES = {
    "1.2.840.10008.1.3.10": "a DICOMDIR",
    _STORAGE + "4.2": "a spectroscopy",
    _STORAGE + "66.4": "a segmentation",
    _STORAGE + "66": "raw or registration data",
    _STORAGE + "67": "a value mapping",
    _STORAGE + "30": "a parametric map",
    _STORAGE + "88": "a report",
    _STORAGE + "11": "a presentation state",
    _STORAGE + "9": "a waveform",
    _STORAGE + "104": "a document",
    _STORAGE + "481": "a radiotherapy object",
    _STORAGE + "90": "an assessment",
    _STORAGE + "29": "a hardcopy",
    "1.2.840.10008.5.1.4.38": "a protocol",
    "1.2.840.10008.5.1.4.39": "a colour palette",
    "1.2.840.10008.5.1.4.43": "an implant template",
    "1.2.840.10008.5.1.4.44": "an implant template",
    "1.2.840.10008.5.1.4.45": "an implant template",
    "1.2.840.10008.5.1.4.34": "a worklist object",
}


def what_it_is(sop_class: str, *, has_rows: bool) -> str:
    """What an object of this SOP class is, "" if it is an image or its class says nothing.

    A private class without rows of pixels is none; a class of the standard that is not listed is an image,
    so that a truncated image never passes for something else.
    """
    for known, what in _NO_IMAGES.items():
        if sop_class == known or sop_class.startswith(known + "."):
            return what
    if sop_class and not sop_class.startswith("1.2.840.10008.") and not has_rows:
        return "a private object"
    return ""
