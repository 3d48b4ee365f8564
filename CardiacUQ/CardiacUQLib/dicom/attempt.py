"""DICOM objects of a case that is already written: if they fail, the case stays and the reason is told."""

from __future__ import annotations

from pathlib import Path

from ..base.errors import CardiacUQError
from ..inference.result import Result
from .outputs import write_dicom_outputs

FOLDER = "dicom"
"""Folder inside a case folder that receives the objects."""


def export_problem(
    result: Result, source: Path, case_folder: Path, *, phase: str = "", frame: int | None = None
) -> str:
    """Write the objects of ``result`` into its case folder; "" or, in one line, why there are none.

    Whatever is wrong with the source images, the result is there, and `cardiacuq dicom` can try again.
    """
    try:
        write_dicom_outputs(result, source, case_folder / FOLDER, overwrite=True, phase=phase, frame=frame)
    except CardiacUQError as error:
        reason = str(error)
    except Exception as error:  # a fault of the export must not cost the result
        reason = f"{source}: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
    else:
        return ""
    return f"no DICOM objects were written: {reason}; the case itself is whole"
