"""What the check script of Slicer's index of extensions and its checklist ask of this repository."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
ENTRY = REPOSITORY / "CardiacUQ.json"
CMAKE = (REPOSITORY / "CMakeLists.txt").read_text("utf-8")
README = (REPOSITORY / "README.md").read_text("utf-8")
RAW = "https://raw.githubusercontent.com/CardiacUQ/SlicerCardiacUQ/main/"
MOST_MB = 100
"""What the index takes of a clone, in 2^20 bytes."""
TEMPLATE_CMAKE = "cmake_minimum_required(VERSION 3.28.0...3.28.0 FATAL_ERROR)"
EXTENSION_VARIABLES = ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS")


def _value(name: str) -> str:
    """As the index finds it: on one line, in quotes."""
    found = re.findall(rf'set\s*\(EXTENSION_{name}\s*"([^"]+)"[ ]*\)', CMAKE)
    assert len(found) == 1, name
    return found[0]


def test_the_entry_is_named_as_the_project_and_follows_a_branch() -> None:
    entry = json.loads(ENTRY.read_text("utf-8"))
    assert re.findall(r"project\s*\(\s*([^\s\)]+)", CMAKE) == [ENTRY.stem]
    assert not ENTRY.stem.lower().startswith("slicer")
    assert entry["category"] == "Cardiac"
    assert entry["scm_revision"] == "main", "a branch; the build of the index demands the key"
    address = urlsplit(entry["scm_url"])
    assert address.scheme in ("git", "https")
    assert Path(address.path).stem.startswith("Slicer")


def test_the_variables_and_the_version_are_those_of_the_template() -> None:
    assert CMAKE.startswith(TEMPLATE_CMAKE + "\n")
    assert tuple(re.findall(r"set\(EXTENSION_(\w+)", CMAKE)) == EXTENSION_VARIABLES
    for step in (
        "find_package(Slicer REQUIRED)",
        "Slicer_EXTENSION_GENERATE_CONFIG",
        "Slicer_EXTENSION_CPACK",
    ):
        assert step in CMAKE


@pytest.mark.parametrize("name", ["HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION"])
def test_every_text_is_there(name: str) -> None:
    text = _value(name)
    assert len(text) > 10
    if name == "DESCRIPTION":
        assert 1 <= len(re.findall(r"[a-z]\.( |$)", text)) <= 3, "a sentence or two, and the caveat"


def test_icon_and_screenshots_are_raw_pictures_of_the_module() -> None:
    shown = _value("SCREENSHOTURLS").split()
    assert len(shown) >= 1 and any("walk-" in address for address in shown), "the module itself"
    for address in (_value("ICONURL"), *shown):
        assert address.startswith(RAW) and address.endswith((".png", ".jpg", ".gif"))
        picture = REPOSITORY / address.removeprefix(RAW)
        assert picture.read_bytes()[:4] == b"\x89PNG"


def test_the_licence_is_in_the_root_and_named_on_the_homepage() -> None:
    assert (REPOSITORY / "LICENSE.txt").read_text("utf-8").lstrip().startswith("Apache License")
    assert "Apache-2.0" in README


def test_the_homepage_says_what_the_checklist_asks() -> None:
    assert README.startswith("# CardiacUQ\n")
    assert "![" in README
    modules = ("CardiacUQ", "CardiacUQ Segment (batch)")
    titles = [(REPOSITORY / "CardiacUQ/CardiacUQ.py").read_text("utf-8")]
    titles.append((REPOSITORY / "CardiacUQ/CLI/CardiacUQSegment/CardiacUQSegment.xml").read_text("utf-8"))
    for name, source in zip(modules, titles, strict=True):
        assert f'"{name}"' in source or f"<title>{name}</title>" in source
        assert re.search(rf"\*\*{re.escape(name)}\*\*\s+[a-z]", README), f"a sentence on {name}"
    assert "doi:10." in README and "CITATION.cff" in README and "/issues" in README
    assert "Sample Data" in README


def test_papers_are_the_same_in_readme_module_and_citation() -> None:
    citation = (REPOSITORY / "CITATION.cff").read_text("utf-8")
    module = (REPOSITORY / "CardiacUQ/CardiacUQWidgets/about.py").read_text("utf-8")
    for paper in ("openreview.net/forum?id=Ch3bNZILax", "10.48550/arXiv.2502.09269"):
        assert paper in README and paper in module and paper in citation


def test_help_and_acknowledgement_lead_on(host, module) -> None:
    parent = host.slicer.modules.cardiacuq.instance.parent
    homepage = _value("HOMEPAGE")
    assert f'<a href="{homepage}">' in parent.helpText and f'<a href="{homepage}/issues">' in parent.helpText
    assert "openreview.net" in parent.acknowledgementText and "doi.org/10." in parent.acknowledgementText


def test_what_lies_in_the_tree_leaves_room_for_its_history() -> None:
    """The index counts a full clone, so the files of one state may take half of its limit at most."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this tree is no git checkout")
    files = [REPOSITORY / name for name in listed.stdout.split("\0") if name]
    size = sum(path.stat().st_size for path in files if path.is_file()) / 2**20
    assert size <= MOST_MB / 2
