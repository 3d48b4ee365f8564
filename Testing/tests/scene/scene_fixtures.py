"""Real MRML without the application: a scene, a volume node read by Slicer's own reader, a case."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

from CardiacUQLib.cases.casefolder import CaseFolder, read_case

os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
sys.path.insert(0, str(Path(__file__).parents[1] / "lib"))

from review_cases import make_case  # noqa: E402

from CardiacUQScene.standalone import StandaloneScene  # noqa: E402


@dataclass(frozen=True)
class Shown:
    """A scene with one volume and the case that belongs to it, not yet shown."""

    app: StandaloneScene
    volume: slicer.vtkMRMLScalarVolumeNode
    case: CaseFolder


def load_volume(app: StandaloneScene, path: Path) -> slicer.vtkMRMLScalarVolumeNode:
    """A volume node as Slicer loads it, through its archetype storage node."""
    storage = app.scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    volume = app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "heart")
    assert storage.ReadData(volume)
    volume.SetAndObserveStorageNodeID(storage.GetID())
    volume.CreateDefaultDisplayNodes()
    return volume


@pytest.fixture
def app() -> Iterator[StandaloneScene]:
    """An empty scene, closed afterwards."""
    scene = StandaloneScene()
    yield scene
    scene.close()


@pytest.fixture(scope="session")
def made_cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., CaseFolder]:
    """Cases made once per session and options; not to be changed."""

    @lru_cache
    def make(storage: str, **options: object) -> CaseFolder:
        return make_case(tmp_path_factory.mktemp("case"), storage, **options)

    return make


@pytest.fixture
def shown(
    app: StandaloneScene, tmp_path: Path, made_cases: Callable[..., CaseFolder]
) -> Callable[..., Shown]:
    """Makes volume and a copy of its case folder, in a given storage ("axial", "oblique", ...)."""

    def make(storage: str = "axial", **options: object) -> Shown:
        original = made_cases(storage, **options)
        folder = shutil.copytree(original.folder, tmp_path / "case")
        return Shown(app, load_volume(app, original.input_path), read_case(folder))

    return make
