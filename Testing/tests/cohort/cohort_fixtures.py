"""Scans small enough that a case takes a fraction of a second, and rows for the tables."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CardiacUQLib.bundles.manifest import View
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.studies.options import CaseOptions
from CardiacUQTraining.cohort.case import Row, State

REPOSITORY = Path(__file__).resolve().parents[3]
FAST = CaseOptions(device="cpu", precision="float32", folds=(0,), views=(View.IDENTITY,), report=False)


def scan_array(seed: int, shape: tuple[int, int, int] = (4, 48, 48)) -> np.ndarray:
    """A bright ring with a bright spot on noise: enough for networks that were never trained."""
    rng = np.random.default_rng(seed)
    _, y, x = np.indices(shape)
    away = np.hypot(y - shape[1] / 2 + rng.normal(), x - shape[2] / 2 + rng.normal())
    ring = 40.0 * (np.abs(away - 10) < 3) + 120.0 * (away < 7)
    return (ring + rng.normal(60, 8, shape)).astype(np.float32)


def write_scan(path: Path, seed: int, **geometry: tuple[float, ...]) -> Path:
    """One image file; ``spacing`` in mm."""
    image = sitk.GetImageFromArray(scan_array(seed))
    image.SetSpacing(geometry.get("spacing", (1.5, 1.5, 10.0)))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder of three good scans."""
    for number in range(3):
        write_scan(tmp_path / "scans" / f"heart{number}.nii.gz", number)
    return tmp_path / "scans"


def child_environment() -> dict[str, str]:
    """Environment for processes of ours: one thread each."""
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "CardiacUQ")])
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


def maps_of(out: Path) -> dict[str, bytes]:
    """Every image file of every case folder, byte by byte; each case must be whole."""
    found = {}
    for folder in sorted(path for path in out.iterdir() if path.is_dir() and path.name != ".cohort"):
        read_case(folder)
        for path in sorted(folder.glob("*.nii.gz")):
            found[f"{folder.name}/{path.name}"] = path.read_bytes()
    return found


def hidden_in(out: Path) -> list[str]:
    """What a user would not expect in an output folder: temporary folders, locks, half-written tables."""
    return sorted(p.name for p in out.iterdir() if p.name.startswith(".") or ".partial" in p.name)


@pytest.fixture
def mounted() -> Iterator[Callable[..., Path]]:
    """Mount a small tmpfs on a folder; skips the test where that is not permitted."""
    places: list[Path] = []

    def mount(folder: Path, *options: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        if (
            shutil.which("mount") is None
            or subprocess.run(command, capture_output=True, check=False).returncode
        ):
            pytest.skip("mounting a small file system is not permitted here")
        places.append(folder)
        return folder

    yield mount
    for place in places:
        subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False)


def row(name: str, state: State = State.DONE, **content: object) -> Row:
    """A row with as much content as a test needs."""
    return Row(name=name, state=state, source=f"scans/{name}.nii.gz", **content)
