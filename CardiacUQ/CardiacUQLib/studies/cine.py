"""A cine study: end-diastole and end-systole segmented, one case folder each, and what both say together.

A 4D file is cut into its frames. The two frames are kept as ``image.nii.gz`` in their case folders, so
that the report, Slicer and later tools find a plain 3D scan beside its labels. ``NAME_cine.json`` comes
last: a study that has it is complete.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.checksum import sha256_of
from ..base.errors import InputError, NoHeartError, UsageError
from ..base.folder_swap import claimed, new_folders
from ..base.json_codec import to_plain, write_json
from ..base.progress import CancelToken, ProgressCallback, ignore_progress, portion
from ..bundles.manifest import BundleKind
from ..bundles.map_catalogue import MapName
from ..cases.casefolder import CASE_FILE
from ..cases.study_record import PHASES, SUFFIX
from ..images.cine import read_cine
from ..images.film import Cine, missing_slices
from ..images.reading import write_stored
from ..images.slice_number import slices_text
from ..images.volume import Volume, case_name
from ..inference.options import NetworkOptions
from ..inference.result import Result
from ..measures import Frame, cine_measures, measures_json, phase_measures, without_intervals
from ..measures.beat import STILL, find_phases
from ..uncertainty.verdict import Verdict, doubted, unlike_headline, worst_of
from .options import CaseOptions
from .scan import fill_with_result, segment_alone

if TYPE_CHECKING:
    from ..bundles.bundle import Bundle
    from ..cases.writing import ExtraWriter

FRAME_FILE = "image.nii.gz"
LEAST_EDV_ML = 2.0
"""A newborn's left ventricle holds more; less is a few stray voxels and gives no ejection fraction."""
LEAST_EF_PERCENT = 5.0
"""Below it the film hardly shows a heartbeat; the lowest of the 100 training patients is 10 %."""
SEARCHED, SEGMENTED = 0.3, 0.9
"""Shares of the progress when end-systole is found and when both phases are segmented."""


@dataclass(frozen=True)
class CineStudy:
    """What was written: a case folder per phase, the summary, and its content.

    ``frames`` are the frame numbers of ED and ES, counted from 0; None for phases given as files.
    ``results`` are those of the phases before their measures were put together.
    """

    folders: Mapping[str, Path]
    summary: Path
    measures: Mapping[str, Any]
    frames: Mapping[str, int] | None
    results: Mapping[str, Result] = dataclasses.field(default_factory=dict)

    @property
    def verdict(self) -> Verdict | None:
        """That of the phase which needs a human most."""
        return worst_of({phase: result.verdict for phase, result in self.results.items()})


def segment_cine(
    source: Path,
    bundle: Bundle,
    out: Path,
    *,
    series: str | None = None,
    name: str | None = None,
    ed: int | None = None,
    es: int | None = None,
    networks: NetworkOptions | None = None,
    overwrite: bool = False,
    report: bool = True,
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> CineStudy:
    """Segment end-diastole and end-systole of the 4D file ``source`` into ``out/NAME_ED`` and ``_ES``.

    Frames count from 0; a phase that is None is found on the curve of the cavity over all frames. Raises
    UsageError (existing folders, one frame for both phases), InputError (no such frame, no left ventricle
    found) and what :func:`segment` raises; nothing is written unless both phases could be segmented.
    """
    name, networks = name or case_name(source), networks or NetworkOptions()
    _refuse_other_method(source, bundle)
    with _places(claimed, out, name, overwrite):
        pass  # a place that is taken is told before any work
    progress(0.0, "reading")
    cine = read_cine(source, series)
    for named in (ed, es):
        if named is not None:
            cine.frame(named)  # a frame that does not exist is told before any work
    if ed is not None and ed == es:
        raise UsageError(f"{source}: frame {ed} was named as end-diastole and as end-systole; they differ")
    cavity_ml = _cavity(cine, bundle, networks, portion(progress, 0.0, SEARCHED), cancel)
    _refuse_incomplete(source, cavity_ml, {"--ed": ed, "--es": es})
    beat = find_phases(source, cavity_ml, ed, es)
    frames = {"ED": beat.ed, "ES": beat.es}
    details = {
        "input": str(source.resolve()),
        "input_sha256": cine.sha256,
        "frames": frames,
        "frame_count": len(cine),
        "named": [phase for phase, number in (("ED", ed), ("ES", es)) if number is not None],
        "notes": list(beat.notes),
        "cavity_ml": [round(float(ml), 2) for ml in cavity_ml],
    }
    with (
        _places(claimed, out, name, overwrite),
        tempfile.TemporaryDirectory(prefix="cardiacuq-cine-") as scratch,
    ):
        phases, writers = {}, {}
        for phase, number in frames.items():
            extracted = Path(scratch) / f"{phase}.nii.gz"
            phase_file = out / f"{name}_{phase}" / FRAME_FILE
            phases[phase] = _cut(cine, number, extracted, phase_file, beat.notes)
            writers[phase] = _copies(extracted)
        try:
            study = _segment_phases(
                phases, bundle, out, name, networks, overwrite, portion(progress, SEARCHED, 1.0), cancel,
                details, writers, report=report,
            )  # fmt: skip
        except NoHeartError as error:  # the frame's own file is gone with this error
            raise NoHeartError(source, error.problem, error.remedy) from None
    return dataclasses.replace(study, frames=frames)


def segment_pair(
    ed: Volume,
    es: Volume,
    bundle: Bundle,
    out: Path,
    name: str,
    *,
    networks: NetworkOptions | None = None,
    overwrite: bool = False,
    report: bool = True,
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> CineStudy:
    """The same for end-diastole and end-systole that come as two scans of one heart."""
    for volume in (ed, es):
        _refuse_other_method(volume.path or Path(name), bundle)
    _refuse_missing_slices(ed, es)
    phases = {"ED": ed, "ES": es}
    inputs = {phase: str(volume.path or "") for phase, volume in phases.items()}
    details = {"inputs": inputs, "input_sha256": joined_sha256(ed.sha256, es.sha256)}
    asked = networks or NetworkOptions()
    with _places(claimed, out, name, overwrite):
        return _segment_phases(
            phases, bundle, out, name, asked, overwrite, progress, cancel, details, {}, report=report
        )


def export_study(study: CineStudy, source: Path) -> str:
    """DICOM objects of both phases in their case folders; "" or, in one line, why there are none.

    ``source`` is the DICOM folder of the film; two scans have their own.
    """
    from ..dicom.attempt import export_problem  # loads the DICOM packages

    for phase, result in study.results.items():
        frame = None if study.frames is None else study.frames[phase]
        folder = source if study.frames is not None else result.volume.path or source
        if problem := export_problem(result, folder, study.folders[phase], phase=phase, frame=frame):
            return problem
    return ""


def joined_sha256(ed: str, es: str) -> str:
    """What stands for two inputs: the SHA-256 of their own, end-diastole first."""
    return hashlib.sha256(f"{ed} {es}".encode()).hexdigest()


def _segment_phases(
    phases: Mapping[str, Volume],
    bundle: Bundle,
    out: Path,
    name: str,
    networks: NetworkOptions,
    overwrite: bool,
    progress: ProgressCallback,
    cancel: CancelToken | None,
    details: Mapping[str, Any],
    writers: Mapping[str, ExtraWriter],
    *,
    report: bool = True,
) -> CineStudy:
    """Segment both, measure them together, then write everything; the caller has claimed the places."""
    results: dict[str, Result] = {}
    for number, (phase, volume) in enumerate(phases.items()):
        start, end = (SEGMENTED * part / len(phases) for part in (number, number + 1))
        results[phase] = segment_alone(
            volume, bundle, networks, portion(progress, start, end, f"{phase}: "), cancel
        )
    progress(SEGMENTED, "measuring and writing")
    ed, es = (_frame(results[phase]) for phase in PHASES)
    try:
        pair = cine_measures(
            ed,
            es,
            bundle.manifest.classes,
            intervals=bundle.manifest.calibration.get("intervals"),
            rv_insertion_ras=networks.rv_insertion_ras,
        )
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    together = measures_json(pair)
    if (together["sizes"]["edv_ml"]["value"] or 0.0) < LEAST_EDV_ML:
        problem = "no left ventricle was found at end-diastole, so there is no ejection fraction"
        raise NoHeartError(
            results["ED"].volume.path or Path(name), problem, "give a short-axis cine of a heart"
        )
    results = {phase: _doubted(result, together) for phase, result in results.items()}
    if any(r.verdict is not None and r.verdict.nothing_holds for r in results.values()):
        together = without_intervals(together)
    if any(result.unlike for result in results.values()):
        together = {**together, "headline": unlike_headline(together["headline"])}
    beat = {key: details[key] for key in ("cavity_ml", "frames") if key in details}
    film = {"beat": beat} if len(beat) == 2 else {}
    measured = {
        phase: dataclasses.replace(result, measures=phase_measures(result.measures, together, phase) | film)
        for phase, result in results.items()
    }
    folders = {phase: out / f"{name}_{phase}" for phase in measured}
    study = CineStudy(folders, out / f"{name}{SUFFIX}", together, None, results)
    identity = secrets.token_hex(16)
    with _places(new_folders, out, name, overwrite) as (*made, summary):
        for folder, (phase, result) in zip(made, measured.items(), strict=True):
            more = [writers[phase]] if phase in writers else []
            options = CaseOptions(report=report)
            fill_with_result(result, folder, folders[phase].name, options, study=identity, more=more)
        cases = {phase: folder.name for phase, folder in folders.items()}
        head = {"name": name, "study": identity, "cases": cases, "verdict": to_plain(study.verdict)}
        notes = [*details.get("notes", ()), *together.get("notes", ())]
        write_json({**head, **details, **together, "notes": notes}, summary)
    progress(1.0, "done")
    return study


def _cavity(
    cine: Cine,
    bundle: Bundle,
    networks: NetworkOptions,
    progress: ProgressCallback,
    cancel: CancelToken | None,
) -> tuple[float, ...]:
    from ..inference.cavity import cavity_volumes  # loads torch

    return cavity_volumes(
        cine,
        bundle,
        folds=networks.folds,
        device=networks.device,
        precision=networks.precision,
        progress=progress,
        cancel=cancel,
    )


def _frame(result: Result) -> Frame:
    return Frame(
        result.segmentation,
        result.volume.geometry,
        result.pass_volumes_ml,
        result.maps.get(MapName.SCS),
        result.maps.get(MapName.ERROR_PROBABILITY),
    )


def _cut(cine: Cine, number: int, written: Path, final: Path, notes: Sequence[str]) -> Volume:
    """Frame ``number``, written as a 3D file to ``written``, as the volume that will lie at ``final``."""
    volume = cine.frame(number)
    write_stored(cine.stored[number], cine.geometry, written)
    warnings = (*volume.warnings, *notes)
    return dataclasses.replace(volume, path=final, sha256=sha256_of(written), warnings=warnings)


def _copies(source: Path) -> ExtraWriter:
    def write(result: Result, folder: Path) -> None:
        (folder / FRAME_FILE).write_bytes(source.read_bytes())

    return write


def _refuse_other_method(source: Path, bundle: Bundle) -> None:
    if bundle.manifest.kind is not BundleKind.STREAMING:
        what = "this is a cine (4 dimensions or two phases)"
        problem = f"{what}, but bundle '{bundle.manifest.name}' is not made for cine"
        raise InputError(
            source, problem, "choose a cine bundle with --model, or give one late-enhancement stack"
        )


def _doubted(result: Result, together: Mapping[str, Any]) -> Result:
    """The result of a phase: good contours of a heart that does not beat are not to be trusted."""
    fraction = together["sizes"]["ef_percent"]["value"]
    if fraction is None or fraction >= LEAST_EF_PERCENT:
        return result
    doubt = f"ejection fraction {fraction:.0f} %: are these two phases of one whole heartbeat?"
    warnings = result.volume.warnings
    if STILL not in warnings:
        warnings = (*warnings, doubt)
    volume = dataclasses.replace(result.volume, warnings=warnings)
    return dataclasses.replace(result, volume=volume, verdict=doubted(result.verdict, doubt))


def _refuse_incomplete(source: Path, cavity_ml: Sequence[float], named: Mapping[str, int | None]) -> None:
    for option, number in named.items():
        if number is not None and not math.isfinite(cavity_ml[number]):
            problem = f"the image of frame {number} is incomplete, so that it gives no ejection fraction"
            raise InputError(source, problem, f"name another frame with {option}")


def _refuse_missing_slices(ed: Volume, es: Volume) -> None:
    if ed.array.shape[0] != es.array.shape[0]:
        return
    for volume, missing in zip((ed, es), missing_slices((ed, es)), strict=True):
        if missing:
            problem = (
                f"{slices_text(missing)} without an image, which the other phase has: no ejection fraction"
            )
            raise InputError(
                volume.path or "a phase", problem, "export it again, or give the other phase alone"
            )


def _places(
    make: Callable[..., AbstractContextManager[Any]], out: Path, name: str, overwrite: bool
) -> AbstractContextManager[Any]:
    """``make``, for both folders and the summary of a study, which stand or fall together."""
    names = [f"{name}_{phase}" for phase in PHASES]
    return make(out, names, files=[name + SUFFIX], overwrite=overwrite, marker=CASE_FILE)
