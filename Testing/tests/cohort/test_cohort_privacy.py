"""Which words of a DICOM header reach which output: the list of Docs/scaling.md, and none on request."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "dicom"))

from lge_series import write_series

from CardiacUQLib.base.errors import ExitCode
from CardiacUQTraining.cli.app import main

SECRETS = {
    "PatientName": "Doe^Secretname", "PatientID": "ID4711", "PatientBirthDate": "19310203",
    "AccessionNumber": "ACC815",
    "StudyDate": "20190304", "StudyID": "STUDY99", "ReferringPhysicianName": "Doctor^Hidden",
    "InstitutionName": "Clinic of Nowhere", "ProtocolName": "LGE of Mr Protocol", "StationName": "STATION5",
}  # fmt: skip
SERIES = "1.2.826.0.1.999.7"
TAKEN, LEFT = "LGE PSIR Doe SAX", "cine of Jane Roe"
SHOWN = {"PatientID": ("case names",), "ProtocolName": ("reasons",)}
"""What is written without the option; the series' description and UID beside it."""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    write_series(folder / "a", SERIES + ".1", SeriesDescription=TAKEN, PixelSpacing=[3.0, 3.0], **SECRETS)
    write_series(folder / "b", SERIES + ".2", SeriesDescription=LEFT, PixelSpacing=[3.0, 3.0], **SECRETS)
    return folder


def everything_in(out: Path) -> str:
    """Names and contents of all files, and of nothing that was the user's own."""
    parts = [path.relative_to(out).as_posix() for path in out.rglob("*")]
    parts += [path.read_bytes().decode("latin-1") for path in out.rglob("*") if path.is_file()]
    return "\n".join(parts)


def run(archive: Path, out: Path, bundle: Path, *more: str) -> str:
    arguments = ["segment", str(archive), "-o", str(out), "--model", str(bundle), "--device", "cpu"]
    assert main([*arguments, "--folds", "0", "--no-tta", *more]) == ExitCode.DONE
    return everything_in(out)


def test_the_listed_words_of_a_header_are_written_and_no_others(
    archive: Path, tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = run(archive, tmp_path / "out", tiny_bundle) + capsys.readouterr().out
    found = {name for name, word in SECRETS.items() if word in written}
    assert found == set(SHOWN)
    assert LEFT in written and SERIES in written
    assert TAKEN not in written


def test_none_is_written_on_request(
    archive: Path, tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    written = run(archive, out, tiny_bundle, "--no-patient-data")
    printed = capsys.readouterr()
    written += printed.out + printed.err
    for word in (*SECRETS.values(), TAKEN, LEFT, SERIES, "Jane Roe", "PSIR Doe"):
        assert word not in written, word
    kept = sorted(path.name for path in out.iterdir() if path.is_dir())
    assert len(kept) == 1 and kept[0].startswith("series-")
    before = (out / kept[0]).stat().st_ino
    run(archive, out, tiny_bundle, "--no-patient-data", "--resume")
    assert (out / kept[0]).stat().st_ino == before, "the pseudonym is the same in every run"


def test_dicom_objects_are_the_patients_own(archive: Path, tmp_path: Path, tiny_bundle: Path) -> None:
    arguments = ["segment", str(archive), "-o", str(tmp_path / "out"), "--model", str(tiny_bundle)]
    assert main([*arguments, "--dicom", "--no-patient-data"]) == ExitCode.USAGE
