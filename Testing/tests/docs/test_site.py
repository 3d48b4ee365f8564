"""The site of Docs: it is built without a warning, loads nothing from elsewhere, and holds what it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx")
pytest.importorskip("myst_parser")
pytest.importorskip("furo")

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.measures.size_catalogue import SIZES
from CardiacUQTraining.cli.app import COMMANDS
from CardiacUQTraining.datasets.catalogue import DATASETS

REPOSITORY = Path(__file__).resolve().parents[3]
TUTORIALS = ("tutorial-clinician", "tutorial-annotator", "own-data", "python")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it; a warning is an error."""
    out = tmp_path_factory.mktemp("site")
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "CardiacUQ")])
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "Docs", str(out)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


def _page(site: Path, name: str) -> str:
    return (site / f"{name}.html").read_text("utf-8")


def test_every_page_is_there_and_reachable(site: Path) -> None:
    pages = {path.stem for path in (REPOSITORY / "Docs").glob("*.md")}
    assert pages <= {path.stem for path in site.glob("*.html")}
    index = _page(site, "index")
    for name in sorted(pages - {"index"}):
        assert f'href="{name}.html"' in index, name


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """Links may lead anywhere; styles, scripts, fonts and pictures come from the site itself."""
    loaded = re.compile(r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=\"(?:https?:)?//[^\"]+\"")
    for path in site.rglob("*.html"):
        found = [tag for tag in loaded.findall(path.read_text("utf-8")) if 'rel="canonical"' not in tag]
        assert not found, path.name
    for path in site.rglob("*.css"):
        assert not re.search(r"url\((?:https?:)?//|@import\s+[\"']http", path.read_text("utf-8")), path.name


def test_equations_are_drawn_without_a_script(site: Path) -> None:
    page = _page(site, "methods")
    assert page.count("<math") >= 8
    assert "MathJax" not in page and "\\frac" not in re.sub(r"<annotation.*?</annotation>", "", page)


def test_each_tutorial_names_its_sample_data() -> None:
    for name in TUTORIALS:
        text = (REPOSITORY / "Docs" / f"{name}.md").read_text("utf-8")
        assert "Sample data" in text, name


def test_the_reference_holds_every_entry_of_the_catalogues(site: Path) -> None:
    def cells(page: str) -> set[str]:
        return set(re.findall(r'<span class="pre">([^<]+)</span>', _page(site, f"generated/{page}")))

    assert {name.value for name in MapName} <= cells("maps")
    assert {size.key for size in SIZES} <= cells("sizes")
    assert {one.key for one in DATASETS} <= cells("datasets")
    codes = _page(site, "generated/exit-codes")
    assert all(f"<p>{int(code)}</p>" in codes and code.name in codes for code in ExitCode)
    commands = _page(site, "generated/commands")
    assert all(name in commands for name in COMMANDS) and "--scheduler" in commands
    recipes = _page(site, "generated/recipes")
    assert "gradient_clip" in recipes and "outline" not in recipes
    api = _page(site, "generated/api")
    assert all(name in api for name in ("read_volume", "ShownResult", "InputError", "WholeModel"))


def test_files_of_a_case_are_those_that_are_written(tiny_bundle: Path, tmp_path: Path) -> None:
    sys.path.insert(0, str(REPOSITORY / "Tools"))
    from make_reference import FILES

    from CardiacUQLib import load_bundle, phantom, read_volume, segment

    scan, _ = phantom.write(phantom.lge_phantom(3), tmp_path, "heart")
    folder = segment(read_volume(scan), load_bundle(tiny_bundle), device="cpu").save(
        tmp_path / "out" / "heart"
    )
    written = {path.name for path in folder.iterdir()}
    maps = {f"{name.value}.nii.gz" for name in MapName}
    assert written - maps <= set(FILES)
