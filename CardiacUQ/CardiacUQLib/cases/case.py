"""The one view of a segmented case that report, DICOM, review and scene are made from."""

from __future__ import annotations

from ..inference.result import Result
from .casefolder import CaseFolder

CaseView = Result | CaseFolder
"""A result in memory or a case folder: the same attributes, all arrays (z, y, x) in slice order on
``geometry``, as :class:`CardiacUQLib.inference.result.Result` describes them.

Whoever needs the order of the files turns the arrays with ``storage``: files, scene and DICOM do."""
