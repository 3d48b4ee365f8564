"""Scans, good and bad, and a way to run the command as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CardiacUQLib import phantom
from CardiacUQTraining.cli.app import main

REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left behind on the terminal."""

    code: int
    out: str
    err: str

    @property
    def error_line(self) -> str:
        """The one line on standard error."""
        lines = self.err.splitlines()
        assert len(lines) == 1, f"expected one line on standard error, not: {self.err!r}"
        return lines[0]


@pytest.fixture
def cardiacuq(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run the command in this process; file descriptors are watched, so native code cannot hide."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(*arguments: str | Path) -> Outcome:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


def start_process(*arguments: str | Path, folder: Path) -> subprocess.Popen[str]:
    """The command as a real process with its own standard streams."""
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "CardiacUQ")])
    return subprocess.Popen(
        [sys.executable, "-m", "CardiacUQTraining.cli", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def everything_in(folder: Path) -> dict[str, bytes]:
    """Relative path and content of every file below ``folder``, to see that nothing changed."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="session")
def stack() -> np.ndarray:
    """A late-enhancement stack (4, 96, 96) around the heart of a phantom, float32."""
    heart = phantom.lge_phantom(3, shape=(4, 128, 128), infarct=True)
    return np.asarray(heart.image[:, 16:112, 16:112], np.float32)


@pytest.fixture
def write_image(tmp_path: Path) -> Callable[..., Path]:
    """Write an array (z, y, x) as an image file below the test's folder."""

    def write(name: str, array: np.ndarray, *, vector: bool = False) -> Path:
        image = sitk.GetImageFromArray(array, isVector=vector)
        image.SetSpacing([1.458, 1.458, 10.0, 1.0][: image.GetDimension()])
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(path))
        return path

    return write


@pytest.fixture
def scan(write_image: Callable[..., Path], stack: np.ndarray) -> Path:
    """A good scan, ``heart.nii.gz``."""
    return write_image("scans/heart.nii.gz", stack)


@pytest.fixture
def write_dicom(stack: np.ndarray) -> Callable[[Path, str], Path]:
    """Write the stack as one DICOM series with the given UID into a folder."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    mr_image = "1.2.840.10008.5.1.4.1.1.4"

    def write(folder: Path, uid: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for number, pixels in enumerate(np.rint(stack * 10).clip(0).astype(np.uint16)):
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID = mr_image
            meta.MediaStorageSOPInstanceUID = generate_uid()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            path = folder / f"{uid[-1]}-{number}.dcm"
            image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
            image.SOPClassUID, image.SOPInstanceUID = mr_image, meta.MediaStorageSOPInstanceUID
            image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3", uid
            image.Modality, image.InstanceNumber = "MR", number + 1
            image.Rows, image.Columns = pixels.shape
            image.PixelSpacing, image.SliceThickness = [1.458, 1.458], 10
            image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            image.ImagePositionPatient = [0, 0, 10 * number]
            image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
            image.BitsAllocated = image.BitsStored = 16
            image.HighBit, image.PixelRepresentation = 15, 0
            image.PixelData = pixels.tobytes()
            image.save_as(path)
        return folder

    return write
