"""``cardiacuq dicom``: a case folder, reviewed or not, as DICOM objects beside its source series."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    case_folder: Annotated[Path, typer.Argument(help="A folder that 'cardiacuq segment' has written.")],
    source: Annotated[Path, typer.Argument(help="Folder of the DICOM series that was segmented.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the DICOM files.")],
    phase: Annotated[
        str, typer.Option(help="Name of the cine phase, such as ED; each phase by itself.")
    ] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier DICOM files.")] = False,
) -> None:
    """Write a segmentation (SEG), uncertainty maps and a structured report (TID 1500).

    A review in the case folder is applied: its files end in _reviewed and stand beside the networks' own.
    """
    from CardiacUQLib.casefolder import read_case
    from CardiacUQLib.dicom import write_dicom_outputs

    files = write_dicom_outputs(read_case(case_folder), source, output, overwrite=overwrite, phase=phase)
    for path in (files.segmentation, *files.maps.values(), files.report):
        if path is not None:
            typer.echo(str(path))
