"""One DICOM file that holds many frames: an enhanced object."""

from __future__ import annotations

from pathlib import Path

from .dicom_files import is_dicom


def series_of_object(path: Path) -> str:
    """UID of the series of an enhanced object; "" for any other file. Raises InputError for a damaged one."""
    if not is_dicom(path):
        return ""
    from .dicom_frames import read_headers  # with pydicom, which most files do not need

    frames = read_headers(path)
    return frames[0].series if isinstance(frames, tuple) and len(frames) > 1 else ""
