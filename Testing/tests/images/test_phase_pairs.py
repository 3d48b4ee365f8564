"""Which two files are end-diastole and end-systole of one heart."""

from __future__ import annotations

from pathlib import Path

import pytest

from CardiacUQLib.images.phase_pairs import PhasePair, pair_name, pair_up


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (("P7_ED.nii.gz", "P7_ES.nii.gz"), "P7"),
        (("p7-ed-sax.nrrd", "p7-es-sax.nrrd"), "p7-sax"),
        (("A0S9V9_sa_ED.nii.gz", "A0S9V9_sa_ES.nii.gz"), "A0S9V9_sa"),
        (("anna end-diastole.mha", "anna end-systole.mha"), "anna"),
        (("anna_systolic.nii", "anna_diastolic.nii"), "anna"),
        (("ED.nii.gz", "ES.nii.gz"), "folder"),
    ],
)
def test_names_tell_the_phases_of_a_heart(files: tuple[str, str], name: str) -> None:
    (pair,) = pair_up([Path("/study/folder", one) for one in files])
    assert pair.name == name
    assert "d" in pair.ed.stem.lower()
    assert {pair.ed.name, pair.es.name} == {*files}
    assert pair.ed.name.lower().replace("ed", "es").replace("dia", "sy")[:3] == pair.es.name.lower()[:3]


@pytest.mark.parametrize(
    "files",
    [
        ("P7_ED.nii.gz", "P8_ES.nii.gz"),
        ("P7_ED.nii.gz", "P7_ED.nrrd", "P7_ES.nii.gz"),
        ("edward.nii", "esther.nii"),
        ("P7_ED_to_ES.nii", "P7_ES.nii"),
        ("a_frame01.nii", "a_frame12.nii"),
    ],
)
def test_what_is_not_clear_is_no_pair(files: tuple[str, ...]) -> None:
    assert pair_up([Path("/study", one) for one in files]) == ()


def test_files_of_two_folders_are_no_pair() -> None:
    assert pair_up([Path("/a/ED.nii"), Path("/b/ES.nii")]) == ()


def test_an_info_file_says_which_frame_is_which_phase(tmp_path: Path) -> None:
    files = [tmp_path / f"patient001_frame{n:02d}.nii.gz" for n in (1, 12, 30)]
    assert pair_up(files) == ()
    info = tmp_path / "Info.cfg"
    info.write_text("ED: 12\nES: 1\nGroup: DCM\n", "utf-8")
    assert pair_up(files) == (PhasePair("patient001", files[1], files[0]),)
    for useless in ("ED: 1\nES: 1\n", "ED: one\nES: 12\n", "ED: 1\n"):
        info.write_text(useless, "utf-8")
        assert pair_up(files) == ()
    info.write_bytes(b"\xff\xfe\x00")
    assert pair_up(files) == ()


def test_two_files_given_by_hand_have_one_name() -> None:
    assert pair_name(Path("x/patient001_frame01.nii.gz"), Path("x/patient001_frame12.nii.gz")) == "patient001"
    assert pair_name(Path("x/first.nii"), Path("x/second.nii")) == "first"
    assert pair_name(Path("x/P7_ED.nii"), Path("x/P7_ES.nii")) == "P7"
