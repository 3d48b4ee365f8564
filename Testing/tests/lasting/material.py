"""What the campaigns break: bundles, scans in every format, a film, a series, and case folders of them."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
for area in ("", "cohort", "evaluation", "dicom", "lasting"):
    sys.path.append(str(HERE.parent / area))

import numpy as np  # noqa: E402
import SimpleITK as sitk  # noqa: E402
from cine_material import film, write_band_bundle, write_film  # noqa: E402
from cohort_fixtures import scan_array  # noqa: E402
from conftest import write_tiny_bundle  # noqa: E402
from lge_series import write_series  # noqa: E402

from CardiacUQLib.cases.casefolder import read_case  # noqa: E402
from CardiacUQLib.review import CaseMaps, Review  # noqa: E402
from CardiacUQTraining.cli.app import main  # noqa: E402

FAST = ("--device", "cpu", "--precision", "float32", "--folds", "0", "--no-tta")
SHAPE = (4, 40, 44)
SPACING = (1.5, 1.5, 10.0)


@dataclass(frozen=True)
class Material:
    """Whole inputs by what they are; a trial breaks a copy. ``labels`` are those of the undamaged scan."""

    folder: Path
    bundle: Path
    bands: Path
    scans: dict[str, Path]
    film: Path
    series: Path
    case: Path
    reviewed: Path
    study: Path
    labels: np.ndarray

    def copy(self, source: Path, target: Path) -> Path:
        """A copy of a file or folder below ``target``."""
        target.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            return Path(shutil.copytree(source, target / source.name))
        return Path(shutil.copy(source, target / source.name))


def make_material(folder: Path) -> Material:
    """Write all of it; takes some seconds."""
    bundle = write_tiny_bundle(folder / "models" / "tiny")
    bands = write_band_bundle(folder / "models" / "bands").folder
    image = sitk.GetImageFromArray(scan_array(3, SHAPE))
    image.SetSpacing(SPACING)
    scans = {}
    for name in ("heart.nii.gz", "heart.nii", "heart.nrrd", "heart.mha", "heart.mhd", "heart.nhdr"):
        path = folder / "scans" / name.partition(".")[2].replace(".", "") / name
        path.parent.mkdir(parents=True)
        sitk.WriteImage(image, str(path))
        scans[name.partition(".")[2]] = path
    cine = folder / "films" / "anna.nii.gz"
    cine.parent.mkdir()
    write_film(cine, film((10, 7, 5, 8)))
    series = folder / "series" / "stack"
    write_series(series)
    for source, model in ((scans["nii.gz"], bundle), (cine, bands)):
        assert (
            main(["segment", str(source), "-o", str(folder / "cases"), "--model", str(model), *FAST, "-q"])
            == 0
        )
    case = folder / "cases" / "heart"
    reviewed = folder / "cases" / "reviewed" / "heart"
    shutil.copytree(case, reviewed)
    review = Review(CaseMaps.of(read_case(reviewed)), "Jane")
    review.take_2d(0)
    review.flag(1, "look again")
    review.release()
    study = folder / "study"
    study.mkdir()
    for name in ("anna_ED", "anna_ES", "anna_cine.json"):
        (folder / "cases" / name).rename(study / name)
    return Material(
        folder, bundle, bands, scans, cine, series, case, reviewed, study, read_case(case).segmentation
    )
