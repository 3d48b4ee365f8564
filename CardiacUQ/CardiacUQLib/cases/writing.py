"""Writing a case folder, whole or not at all; ``case.json`` is written last and seals the other files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..base.folder_swap import check_target, claimed, new_folders
from ..base.json_codec import json_text, to_plain
from ..base.threads import available_threads
from ..images.probability_file import write_probabilities
from ..images.reading import write_map
from ..inference.result import Result
from .casefolder import (
    CASE_FILE,
    COMPONENT_IDS,
    COMPONENTS_FILE,
    DCM,
    FORMAT,
    FORMAT_VERSION,
    MAP_SUFFIX,
    PROBABILITIES_FILE,
    PROPOSALS,
    SEGMENTATION,
    STAGE_2D,
    CaseRecord,
)
from .component_table import components_to_csv
from .measures_schema import MEASURES_FILE
from .seal import SEAL, document_seal, seal_files

ExtraWriter = Callable[[Result, Path], None]
"""Writes more files, such as the report, of a result into the (still temporary) case folder."""


def claim_case(out_dir: str | Path, name: str, *, overwrite: bool = False) -> AbstractContextManager[None]:
    """Be the one run that makes this case, while the networks work; raises as :func:`check_case` does."""
    return claimed(Path(out_dir), [name], overwrite=overwrite, marker=CASE_FILE)


def check_case(out_dir: str | Path, name: str, *, overwrite: bool = False) -> None:
    """Raise the UsageError with which :func:`write_case` would refuse this place, before the work."""
    check_target(Path(out_dir), name, overwrite=overwrite, marker=CASE_FILE)


def write_case(
    result: Result,
    out_dir: str | Path,
    *,
    name: str | None = None,
    overwrite: bool = False,
    extra_writers: Sequence[ExtraWriter] = (),
) -> Path:
    """Write ``out_dir/name`` (default: the volume's name) and return it.

    Raises UsageError if the folder exists and ``overwrite`` is False, if what stands there is no case
    folder, or if it cannot be written; then, and upon any other error or an interruption, everything
    is as it was before. An older case that holds a review is not deleted but kept beside the new one.
    """
    name = result.volume.name if name is None else name
    with new_folders(Path(out_dir), [name], overwrite=overwrite, marker=CASE_FILE) as (folder,):
        fill_case(result, folder, name, extra_writers=extra_writers)
    return Path(out_dir) / name


def fill_case(
    result: Result,
    folder: Path,
    name: str,
    *,
    study: str = "",
    extra_writers: Sequence[ExtraWriter] = (),
) -> None:
    """Write the files of a case into an empty ``folder``, the seal last; for folders that swap as one.

    ``extra_writers`` run while the maps are written and read nothing of the folder.
    """
    with ThreadPoolExecutor(1, "maps") as beside:
        maps = beside.submit(_write_maps, result, folder)
        if available_threads() == 1:
            maps.result()
        (folder / COMPONENTS_FILE).write_text(components_to_csv(result.components), "utf-8")
        _write_json(folder / MEASURES_FILE, _measures(result))
        for write in extra_writers:
            write(result, folder)
        maps.result()
    document = to_plain(_record(result, name, folder, study))
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **document}
    _write_json(folder / CASE_FILE, {**document, SEAL: document_seal(document)})


def _write_maps(result: Result, folder: Path) -> None:
    arrays = {SEGMENTATION: result.segmentation, DCM: result.dcm, COMPONENT_IDS: result.component_ids}
    optional = {STAGE_2D: result.opinion, PROPOSALS: result.proposals}
    arrays |= {stem: array for stem, array in optional.items() if array is not None}
    arrays.update({map_name.value: array for map_name, array in result.maps.items()})
    arrays.update({band.stem: result.band_maps[band.structure] for band in result.bands})
    if result.probabilities is not None:
        write_probabilities(result.probabilities, result.volume, folder / PROBABILITIES_FILE)
    for stem, array in arrays.items():
        write_map(array, result.volume, folder / f"{stem}{MAP_SUFFIX}")


def _record(result: Result, name: str, folder: Path, study: str) -> CaseRecord:
    volume = result.volume
    return CaseRecord(
        name=name,
        kind=result.kind,
        classes=result.classes,
        input_path="" if volume.path is None else str(volume.path.resolve()),
        input_sha256=volume.sha256,
        modality=volume.modality,
        geometry=volume.source_geometry,
        storage=volume.storage,
        run=result.run,
        pass_volumes_ml=tuple(tuple(map(float, row)) for row in np.asarray(result.pass_volumes_ml)),
        warnings=result.warnings,
        maps=tuple(result.maps),
        files=seal_files(folder),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        series=volume.series,
        study=study,
        verdict=result.verdict,
        predicted_dice=result.predicted_dice,
        presence=result.presence,
        unlike=result.unlike,
        evidence=result.evidence,
        lacking=result.lacking,
        looks=result.looks,
        bands=result.bands,
    )


def _measures(result: Result) -> dict[str, Any]:
    """The result's measures, with the volume of every class but the background in any case."""
    voxel_ml = result.volume.geometry.voxel_volume_ml
    volumes = {
        c.name: float(np.count_nonzero(result.segmentation == c.value)) * voxel_ml
        for c in result.classes
        if c.value
    }
    return {"volumes_ml": volumes, **to_plain(result.measures)}


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json_text(document, 2) + "\n", "utf-8")
