"""How a user names one stack of a DICOM folder: ``UID[@PATIENT][:WORD]``, each part as short as it is clear.

The UID may be its end; the patient is needed only where two share a UID; the word chooses among images of two
types at the same positions: "psir", "magnitude", or any word of their image type. A word alone is one too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class SeriesSelector:
    """Parts of a selector; "" where it does not say."""

    uid: str = ""
    patient: str = ""
    contrast: str = ""

    @classmethod
    def parse(cls, text: str | None) -> SeriesSelector:
        """The parts of what a user wrote, or of a case's record."""
        text = (text or "").strip()
        head, _, contrast = text.rpartition(":") if ":" in text else (text, "", "")
        uid, _, patient = head.partition("@")
        uid = uid.strip(" .")
        if uid and not contrast and not re.search(r"\d", uid):
            uid, contrast = "", uid
        return cls(uid, patient.strip(), contrast.strip().lower())

    def __str__(self) -> str:
        patient = f"@{self.patient}" if self.patient else ""
        return f"{self.uid}{patient}" + (f":{self.contrast}" if self.contrast else "")
