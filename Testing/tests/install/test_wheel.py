"""The wheel: what is in it, and that it works in an empty environment, away from the repository, offline."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
MODULE = REPOSITORY / "CardiacUQ"
WHEELS = os.environ.get("CARDIACUQ_WHEELS", "")
"""A folder with a wheel of every requirement, for the empty environment."""
LARGEST = 60e6
"""Bytes; an index of packages takes 100 MB."""
PATIENCE_S = 900


def _tracked(*folders: str) -> list[str]:
    """Files that git knows or would add, with '/'."""
    words = ["git", "ls-files", "-co", "--exclude-standard", "--", *folders]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this tree is no git checkout")
    return [name for name in done.stdout.splitlines() if (REPOSITORY / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that no build folder of the checkout has a say; without a network."""
    if importlib.util.find_spec("pip") is None or importlib.util.find_spec("setuptools") is None:
        pytest.skip("building a wheel needs pip and setuptools in this environment")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in _tracked("CardiacUQ", "CardiacUQTraining", "Resources", "*.toml", "*.md", "*.txt", "*.py"):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, target)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", *options, "-w", str(out), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = out.iterdir()
    return built


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_every_file_of_its_packages_and_nothing_else(wheel: Path) -> None:
    places = {
        "CardiacUQ/CardiacUQLib": "CardiacUQLib",
        "CardiacUQ/CardiacUQScene": "CardiacUQScene",
        "CardiacUQTraining": "CardiacUQTraining",
        "Resources/Models": "CardiacUQModels",
    }
    wanted = {
        str(PurePosixPath(inside, PurePosixPath(name).relative_to(folder)))
        for folder, inside in places.items()
        for name in _tracked(folder)
    }
    found = _names(wheel)
    assert sorted(wanted - found) == []
    assert sorted(found - wanted) == []
    assert any(name.endswith(".safetensors") for name in found)


def test_the_wheel_is_small_enough_and_of_any_machine(wheel: Path) -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert wheel.name == f"cardiacuq-{version}-py3-none-any.whl"
    assert wheel.stat().st_size < LARGEST


def test_an_unpacked_wheel_finds_its_bundles(wheel: Path, tmp_path: Path) -> None:
    """The same layout as site-packages, with the packages of this environment behind it."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = "import CardiacUQTraining.cli.app as a, sys; print(a.__file__); sys.exit(a.main(['models']))"
    environment = {key: value for key, value in os.environ.items() if key != "CARDIACUQ_MODELS"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(str(tmp_path))
    for bundle in ("lge-cascade", "cine-streaming"):
        assert f"\n{bundle} " in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE_S)
def test_an_empty_environment_outside_the_repository(wheel: Path, tmp_path: Path) -> None:
    """``pip install`` of the wheel alone, then demo and segment: no network, no repository, no extra."""
    if not WHEELS:
        pytest.skip("CARDIACUQ_WHEELS names no folder with wheels of the requirements")
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    offline = ["--no-index", "--find-links", WHEELS, "--disable-pip-version-check"]
    subprocess.run([str(python), "-m", "pip", "install", "-q", *offline, str(wheel)], check=True)

    def cardiacuq(*words: str) -> str:
        command = [str(python.with_name("cardiacuq")), *words]
        if os.geteuid() == 0 and shutil.which("unshare"):
            command = ["unshare", "--net", *command]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={"PATH": os.defpath, "HOME": str(tmp_path), "OMP_NUM_THREADS": "2"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    assert "demo-output/phantom/report.html" in cardiacuq("demo")
    assert (tmp_path / "demo-output/phantom/report.html").stat().st_size > 100_000
    told = cardiacuq("segment", "demo-output/scan/phantom.nii.gz", "-o", "out", "--folds", "0", "--no-tta")
    assert "out/phantom/report.html" in told
    assert "lge-cascade" in cardiacuq("models")
    for name in ("CardiacUQLib", "CardiacUQTraining"):
        where = subprocess.run(
            [str(python), "-I", "-c", f"import {name}; print({name}.__file__)"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert str(tmp_path) in where.stdout
