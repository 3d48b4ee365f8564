"""The short name of a case, taken from the path that the user gave."""

from __future__ import annotations

from pathlib import Path

import pytest

from CardiacUQLib.images.volume import case_name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("study/heart.nii.gz", "heart"),
        ("heart.b.NRRD", "heart.b"),
        ("study/series 7", "series 7"),
        ("study/anna/..", "study"),
    ],
)
def test_the_name_is_that_of_the_file_or_folder_without_an_image_suffix(path: str, name: str) -> None:
    assert case_name(Path(path)) == name


def test_this_folder_and_the_one_above_have_their_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "study" / "anna").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "study" / "anna")
    assert case_name(Path()) == "anna"
    assert case_name(Path("..")) == "study"


def test_a_link_gives_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "000123").mkdir()
    link = tmp_path / "patient7"
    link.symlink_to(tmp_path / "000123")
    assert case_name(link) == "patient7"
