"""Results as DICOM: segmentation, parametric maps and a structured report beside the source images.

Needs pydicom and highdicom (``pip install cardiacuq[dicom]``), imported when something is written.
"""

from __future__ import annotations

from .content import DicomContent, content_of
from .outputs import DicomFiles, write_dicom_outputs

__all__ = ["DicomContent", "DicomFiles", "content_of", "write_dicom_outputs"]
