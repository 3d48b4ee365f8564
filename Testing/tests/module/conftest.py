"""The module in the host: one host per test, so that every test begins with an empty scene and settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
REPOSITORY = Path(__file__).resolve().parents[3]
MODULE = REPOSITORY / "CardiacUQ" / "CardiacUQ.py"
sys.path.insert(0, str(REPOSITORY / "Testing" / "tests" / "lib"))


def pytest_report_header() -> str:
    given = os.environ.get("SLICER_SOURCE_DIR")
    return f"module tests: Slicer's own Python classes from {given}" if given else "module tests: stand-ins"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A running host; fails if a slot of the module raised."""
    sys.path.insert(0, str(REPOSITORY / "Testing"))
    from host import application, pythonqt

    running = application.start(tmp_path / "host")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield running
    running.stop()
    raised = list(pythonqt.errors)
    pythonqt.errors.clear()
    sys.path.remove(str(REPOSITORY / "Testing"))
    assert not raised, f"slots raised: {raised}"


@pytest.fixture(scope="session")
def models(tiny_bundle):
    """Folder in which the module finds the tiny bundle and nothing else of use."""
    return tiny_bundle.parent


@pytest.fixture
def module(host, models, monkeypatch):
    """The module imported from its file, with the tiny bundle to choose and not the one of the repository."""
    from CardiacUQLib.bundles import bundle

    def folders_of_the_environment() -> tuple[Path, ...]:
        return tuple(Path(p) for p in os.environ.get(bundle.MODELS_VARIABLE, "").split(os.pathsep) if p)

    monkeypatch.setenv(bundle.MODELS_VARIABLE, str(models))
    monkeypatch.setattr(bundle, "bundle_folders", folders_of_the_environment)
    return host.load(MODULE)


@pytest.fixture
def without_torch(module, monkeypatch):
    """A reader's computer: no torch, so no child process that loads it either."""
    from CardiacUQWidgets import computer

    monkeypatch.setattr(computer, "has_torch", lambda: False)


@pytest.fixture
def widget(host, module):
    """The module opened by the user."""
    return host.open("CardiacUQ")


@pytest.fixture(scope="session")
def phantom_file(tmp_path_factory) -> Path:
    """A phantom with five slices as a NIfTI file."""
    from CardiacUQLib.phantom import lge_phantom, write

    image, _ = write(lge_phantom(1), tmp_path_factory.mktemp("images"), "LGE phantom")
    return image


@pytest.fixture
def load(host):
    """Loads an image file as the application does."""

    def load(path: Path):
        from CardiacUQWidgets.case_opening import load_image

        return load_image(path)

    return load


@pytest.fixture(scope="session")
def case_folder(tmp_path_factory, phantom_file, tiny_bundle) -> Path:
    """A case folder of the phantom, computed in this process."""
    from CardiacUQLib.bundles.bundle import load_bundle
    from CardiacUQLib.cases.writing import write_case
    from CardiacUQLib.images.reading import read_volume
    from CardiacUQLib.inference.segment import segment

    result = segment(read_volume(phantom_file), load_bundle(tiny_bundle), device="cpu")
    return write_case(result, tmp_path_factory.mktemp("cases"), name="phantom")


def scene_content(scene) -> dict[str, str]:
    """Every node of a scene by id, with its name, for saying "as before"."""
    nodes = (scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes()))
    return {node.GetID(): f"{node.GetClassName()} {node.GetName()}" for node in nodes}


@pytest.fixture
def content():
    return SimpleNamespace(of=scene_content)
