"""From what a user gives (files, folders, patterns, a CSV, a DICOM archive) to the cases of a cohort."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.cases.casefolder import CASE_FILE
from CardiacUQLib.images.cine import is_cine
from CardiacUQLib.images.dicom_files import is_dicom
from CardiacUQLib.images.image_file import read_header
from CardiacUQLib.images.phase_pairs import PhasePair, pair_up
from CardiacUQLib.images.reading import MIN_SLICES
from CardiacUQLib.images.volume import IMAGE_SUFFIXES, case_name
from CardiacUQLib.studies.options import CaseOptions

from .archive import series_cases
from .case import Case, Plan, Skipped, safe_name
from .listed import csv_cases

LABEL_FILE = re.compile(
    r"(?:^|[_\-. ])(?:labels?|seg|segmentation|masks?|gt|contours?|manual)(?:$|[_\-. ])", re.I
)

_CINE = "it has"
"""How the reason for passing over a file of more than three dimensions begins."""
_PHASES_BESIDE = "its end-diastole and end-systole lie beside it as files of their own"


@dataclass(frozen=True)
class _Found:
    """A case with what may be put before its name if that is not unique: its folders below the input."""

    case: Case
    qualifiers: tuple[str, ...] = ()


def no_cines(bundle: str) -> bool:
    """For bundles that segment single stacks only."""
    return False


def collect(
    inputs: Sequence[str | Path],
    bundle: str,
    options: CaseOptions,
    series: str = "",
    takes_cines: Callable[[str], bool] = no_cines,
) -> Plan:
    """Sort the inputs into cases and skipped ones; each case gets a name of its own.

    An input is an image file, a folder (searched for images and DICOM series), a pattern such as
    ``study/*/lge.nii.gz``, or a CSV file with the columns of :data:`.listed.CSV_COLUMNS` (only ``path`` is
    needed; paths count from the CSV's folder). With ``series`` every folder is one case. 4D files are
    cases for the bundles that ``takes_cines`` says so of, and skipped in folders for others; for those
    bundles two stacks that are end-diastole and end-systole of one heart are one case.
    Raises UsageError for a pattern without match, a CSV that cannot be used, or names that clash.
    """
    found: list[_Found] = []
    skipped: list[Skipped] = []
    for given in inputs:
        for path in _expanded(given):
            model = Case("", "", bundle, options, series)
            if path.suffix.lower() == ".csv":
                for row in csv_cases(path, model):
                    _add(Path(row.source), row, found, skipped, takes_cines)
            else:
                _add(path, model, found, skipped, takes_cines)
    found, beside = _paired(found, takes_cines)
    return Plan(_with_unique_names(found), (*skipped, *beside))


def _expanded(given: str | Path) -> list[Path]:
    path = Path(given)
    if path.exists() or not glob.has_magic(os.fspath(given)):
        return [path]
    matches = sorted(glob.glob(os.fspath(given), recursive=True))  # noqa: PTH207 - absolute patterns too
    if not matches:
        raise UsageError(f"{given}: no file matches this pattern; check it (** matches any folders)")
    return [Path(match) for match in matches]


def _add(
    path: Path,
    model: Case,
    found: list[_Found],
    skipped: list[Skipped],
    takes_cines: Callable[[str], bool],
) -> None:
    """Add what lies at ``path``; ``model`` carries bundle, options, series and perhaps the name."""

    def cine(file: Path) -> bool:
        return takes_cines(model.bundle) and is_cine(file, model.series or None)

    alone = replace(model, name=model.name or safe_name(case_name(path)), source=str(path))
    if model.es_source or not path.is_dir() or model.series:
        found.append(_Found(replace(alone, cine=bool(model.es_source) or cine(path))))
        return
    images, dicoms = _walk(path)
    cases: list[_Found] = []
    for image in images:
        qualifiers = tuple(safe_name(part) for part in image.relative_to(path).parent.parts)
        one = replace(model, name=safe_name(case_name(image)), source=str(image))
        reason = _no_scan(image, path)
        if reason.startswith(_CINE) and cine(image):
            cases.append(_Found(replace(one, cine=True), qualifiers))
        elif reason:
            skipped.append(Skipped(one.name, one.source, reason))
        else:
            cases.append(_Found(one, qualifiers))
    series, others = (
        series_cases(path, dicoms, model, cines=takes_cines(model.bundle)) if dicoms else ((), ())
    )
    cases += [_Found(case, (safe_name(case.series[-12:]),)) for case in series]
    if len(cases) == 1 and not others and not images and not model.name:
        cases = [_Found(replace(cases[0].case, name=alone.name))]
    if model.name and len(cases) == 1:
        cases = [_Found(replace(cases[0].case, name=model.name))]
    elif model.name and len(cases) > 1:
        raise UsageError(f"{path}: the id {model.name} would name {len(cases)} cases; give each its own line")
    skipped += others
    found += cases if cases or images or dicoms else [_Found(alone)]


def _walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """Image files and DICOM files below ``folder``; hidden ones and case folders are left out."""
    images: list[Path] = []
    dicoms: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if CASE_FILE in files:
            folders.clear()
            continue
        for name in sorted(name for name in files if not name.startswith(".")):
            path = Path(place) / name
            if name.lower().endswith(IMAGE_SUFFIXES):
                images.append(path)
            elif is_dicom(path):
                dicoms.append(path)
    return images, dicoms


def _no_scan(path: Path, root: Path) -> str:
    """Why a file of a searched folder is not taken; empty if it is. A damaged one is taken, and fails."""
    parents = path.relative_to(root).parent.parts
    if LABEL_FILE.search(case_name(path)) or any(LABEL_FILE.search(part) for part in parents):
        return "by its name it holds labels, not a scan"
    try:
        header = read_header(path)
    except InputError:
        return ""
    if header.components > 1:
        return f"its voxels have {header.components} values each"
    if header.frames > 1:
        return f"{_CINE} 4 dimensions ({header.frames} frames): a cine or another series of volumes"
    if min(header.geometry.size) < MIN_SLICES:
        return f"it is no stack of at least {MIN_SLICES} slices"
    return ""


def _paired(
    found: Sequence[_Found], takes_cines: Callable[[str], bool]
) -> tuple[list[_Found], list[Skipped]]:
    """The same with both phases of a heart as one case; a film beside them, of which they are frames, is
    passed over. A scan that was given a name of its own stays a case of its own."""
    stacks = [Path(one.case.source) for one in found if _may_be_phase(one.case, takes_cines)]
    pairs = {pair.ed: pair for pair in pair_up(stacks)}
    es_files = {pair.es for pair in pairs.values()}
    kept, beside = [], []
    for one in found:
        path, whole = Path(one.case.source), one.case.cine and not one.case.es_source
        if path in pairs:
            pair = pairs[path]
            case = replace(one.case, name=safe_name(pair.name), es_source=str(pair.es), cine=True)
            kept.append(_Found(case, one.qualifiers))
        elif whole and any(_is_film_of(path, pair) for pair in pairs.values()):
            beside.append(Skipped(one.case.name, one.case.source, _PHASES_BESIDE))
        elif path not in es_files:
            kept.append(one)
    return kept, beside


def _may_be_phase(case: Case, takes_cines: Callable[[str], bool]) -> bool:
    path = Path(case.source)
    named_after_file = case.name == safe_name(case_name(path))
    return named_after_file and not (case.cine or case.series or path.is_dir()) and takes_cines(case.bundle)


def _is_film_of(film: Path, pair: PhasePair) -> bool:
    return film.parent == pair.ed.parent and case_name(film).startswith(pair.name)


def _with_unique_names(found: Sequence[_Found]) -> tuple[Case, ...]:
    """The cases, those with a common name qualified by their folders; raises UsageError if that fails."""
    counts = _counts(one.case.name for one in found)
    cases = [
        replace(one.case, name="-".join((*one.qualifiers, one.case.name)))
        if counts[one.case.name.casefold()] > 1
        else one.case
        for one in found
    ]
    seen: dict[str, Case] = {}
    for case, folder in ((one, folder) for one in cases for folder in {one.name, *one.folders}):
        other = seen.setdefault(folder.casefold(), case)
        if other is not case:
            raise UsageError(
                f"{case.source} and {other.source} would both become the case {folder}; "
                "give them ids in a CSV file, or run them with different --output"
            )
    return tuple(cases)


def _counts(names: Iterable[str]) -> Counter[str]:
    return Counter(name.casefold() for name in names)
