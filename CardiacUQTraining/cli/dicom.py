"""``cardiacuq dicom``: a case folder, reviewed or not, as DICOM objects beside its source series."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.writable import check_writable


def command(
    case_folder: Annotated[Path, typer.Argument(help="A folder that 'cardiacuq segment' has written.")],
    source: Annotated[Path, typer.Argument(help="Folder of the DICOM series that was segmented.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the DICOM files.")],
    phase: Annotated[
        str, typer.Option(help="Name of the cine phase, such as ED; each phase by itself.")
    ] = "",
    frame: Annotated[
        int,
        typer.Option(help="Which phase of a whole cine, counted from 0; -1: the one that was segmented."),
    ] = -1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier DICOM files.")] = False,
) -> None:
    """Write a segmentation (SEG), uncertainty maps and a structured report (TID 1500).

    A review in the case folder is applied: its files end in _reviewed and stand beside the networks' own.
    """
    from CardiacUQLib.cases.casefolder import read_case
    from CardiacUQLib.cases.study_record import PHASES, segmented_phase
    from CardiacUQLib.dicom import write_dicom_outputs
    from CardiacUQLib.dicom.same_image import check_same_image

    check_writable(output)
    case = read_case(case_folder)
    found = segmented_phase(case)
    if found is not None:
        if phase.upper() in PHASES and phase.upper() != found[0]:
            raise UsageError(f"{case_folder} is {found[0]}; for {phase.upper()} give the case of that phase")
        phase, frame = phase or found[0], found[1] if frame < 0 else frame
    if frame >= 0:  # phases share their grid
        check_same_image(case, source, case.record.series, frame)
    files = write_dicom_outputs(
        case,
        source,
        output,
        overwrite=overwrite,
        phase=phase,
        frame=None if frame < 0 else frame,
    )
    for path in (files.segmentation, *files.maps.values(), files.report):
        if path is not None:
            typer.echo(str(path))
