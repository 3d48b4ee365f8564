"""A result in a notebook: its words, its page, its folder; and the notebook of the documentation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from CardiacUQLib import Result, load_bundle, phantom, read_volume, segment
from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.studies import shown

REPOSITORY = Path(__file__).resolve().parents[3]
NOTEBOOK = REPOSITORY / "Docs" / "first-steps.ipynb"


@pytest.fixture(scope="module")
def result(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> shown.ShownResult:
    scan, _ = phantom.write(phantom.lge_phantom(3), tmp_path_factory.mktemp("scan"), "heart")
    return segment(read_volume(scan), load_bundle(tiny_bundle), device="cpu", precision="float32")


def test_its_words_are_one_line(result: Result) -> None:
    text = repr(result)
    assert text.startswith("<Result heart: ") and text.endswith(">") and "\n" not in text
    assert result.measures["headline"] in text and len(text) < 600
    assert "array" not in text


def test_a_notebook_shows_the_report(result: shown.ShownResult, monkeypatch: pytest.MonkeyPatch) -> None:
    page = result._repr_html_()
    assert page.startswith("<iframe srcdoc=") and "data:image/png;base64," in page
    assert page.count("<iframe") == 1 and "&lt;html" in page
    monkeypatch.setattr(shown, "can_render", lambda: False)
    assert result._repr_html_().startswith("<pre>&lt;Result heart")


def test_it_saves_itself_as_a_case(result: shown.ShownResult, tmp_path: Path) -> None:
    folder = result.save(tmp_path / "out" / "case")
    case = read_case(folder)
    assert (case.segmentation == result.segmentation).all() and case.name == "case"
    assert (folder / "report.html").is_file()
    with pytest.raises(UsageError):
        result.save(folder)
    assert result.save(folder, overwrite=True) == folder


def test_the_signature_is_that_of_the_core() -> None:
    from CardiacUQLib.inference.segment import segment as core

    assert segment.__doc__ == core.__doc__ and segment.__wrapped__ is core


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cell after cell in one namespace, as a kernel does; the last expression of a cell must show itself."""
    monkeypatch.chdir(tmp_path)
    content = json.loads(NOTEBOOK.read_text("utf-8"))
    assert content["nbformat"] == 4
    cells = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 3
    assert not any(cell.get("outputs") for cell in content["cells"]), "kept without outputs"
    names: dict[str, object] = {}
    for cell in cells:
        *before, last = cell.strip().splitlines()
        if last.isidentifier():
            exec("\n".join(before), names)
            assert "<iframe" in names[last]._repr_html_()
        else:
            exec(cell, names)
    assert list(tmp_path.glob("out/*/report.html"))
