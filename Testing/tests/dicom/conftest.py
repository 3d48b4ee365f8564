"""One series, its result and what is written of it, shared by the tests of the DICOM output."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "evaluation"))  # its films with exact truth
pytest.importorskip("highdicom", reason="DICOM output needs highdicom: pip install 'cardiacuq[dicom]'")

import pydicom
from lge_series import NORMAL, result_of, write_series

from CardiacUQLib.inference.result import Result


@pytest.fixture(scope="session")
def series_folder(tmp_path_factory) -> Path:
    return write_series(tmp_path_factory.mktemp("series"))


@pytest.fixture(scope="session")
def result(series_folder) -> Result:
    return result_of(series_folder)


@pytest.fixture(scope="session")
def written(result, series_folder, tmp_path_factory):
    from CardiacUQLib.dicom import write_dicom_outputs

    return write_dicom_outputs(result, series_folder, tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="session")
def source_by_position(series_folder) -> list[pydicom.Dataset]:
    images = [pydicom.dcmread(path) for path in series_folder.iterdir()]
    return sorted(images, key=lambda image: float(np.dot(image.ImagePositionPatient, NORMAL)))
