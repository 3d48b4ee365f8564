"""4D files in a cohort: one row with the ejection fraction, two case folders, resumed like any case."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from pathlib import Path

import dask
import pytest
from cine_material import film, lv_ml, write_band_bundle, write_film, write_stack
from cohort_fixtures import FAST, hidden_in, write_scan
from test_cohort_runs import run_cohort, states

from CardiacUQLib.base.errors import ExitCode, UsageError
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.studies.options import CaseOptions
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.cohort.case import Case, Plan
from CardiacUQTraining.cohort.display import Lines
from CardiacUQTraining.cohort.engine import Engine
from CardiacUQTraining.cohort.flags import GEOMETRY, training_ranges
from CardiacUQTraining.cohort.inputs import collect
from CardiacUQTraining.cohort.state import read_row


@pytest.fixture(scope="module")
def bands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cine bundle that labels films of bands exactly."""
    folder = tmp_path_factory.mktemp("models") / "bands"
    return write_band_bundle(folder).folder


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with two films and one phase as a stack."""
    folder = tmp_path / "study"
    folder.mkdir()
    write_film(folder / "anna.nii.gz", film((10, 7, 5, 8)))
    write_film(folder / "berta.nii.gz", film((9, 6, 7)))
    return folder


def plan_of(inputs: list[Path], bundle: Path, options: CaseOptions = FAST) -> Plan:
    return collect(inputs, str(bundle), options, takes_cines=lambda name: True)


def ef(end_diastole: float, end_systole: float) -> float:
    """Ejection fraction in percent from the voxels that the films are drawn with."""
    return 100 * (1 - lv_ml(end_systole) / lv_ml(end_diastole))


def test_films_of_a_folder_become_rows_with_their_ejection_fraction(
    study: Path, bands: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (study / "broken.nii.gz").write_bytes(b"no image")
    out = tmp_path / "out"
    command = [
        "segment",
        str(study),
        "-o",
        str(out),
        "--model",
        str(bands),
        "--device",
        "cpu",
        "--folds",
        "0",
    ]
    assert main([*command, "--no-tta", "--no-report"]) == ExitCode.PARTIAL
    assert f"anna: EF {ef(10, 5):.0f} %" in capsys.readouterr().out
    with (out / "cohort.csv").open(newline="") as table:
        rows = {row["case"]: row for row in csv.DictReader(table)}
    assert {name: row["state"] for name, row in rows.items()} == {
        "anna": "done", "berta": "done", "broken": "failed",
    }  # fmt: skip
    assert float(rows["anna"]["ef_percent"]) == pytest.approx(ef(10, 5), abs=0.01)
    assert float(rows["berta"]["ef_percent"]) == pytest.approx(ef(9, 6), abs=0.01)
    assert float(rows["anna"]["edv_ml"]) == pytest.approx(lv_ml(10), rel=1e-4)
    assert rows["anna"]["slices"] == "5"
    for phase in ("ED", "ES"):
        assert read_case(out / f"anna_{phase}").folder.name == f"anna_{phase}"
    assert json.loads((out / "anna_cine.json").read_text("utf-8"))["frames"] == {"ED": 0, "ES": 2}
    assert "anna_ED" in (out / "cohort.html").read_text("utf-8")
    assert hidden_in(out) == []


def test_finished_films_are_kept_and_half_ones_done_again(study: Path, bands: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan = plan_of([study], bands)
    quiet = Lines(out, quiet=True)
    assert run_cohort(plan, out, quiet).exit_code is ExitCode.DONE
    row = read_row(out / "anna_ES")
    assert row is not None
    assert row.input_sha256
    kept = (out / "anna_ED").stat().st_ino
    shutil.rmtree(out / "berta_ES")  # as after a crash between the two phases
    (out / "berta_cine.json").unlink()
    partial = out / ".berta_cine.json.partial-999999999"
    partial.write_text("{")
    with pytest.raises(UsageError, match="anna_ED"):
        run_cohort(plan, out, quiet)
    outcome = run_cohort(plan, out, quiet, resume=True)
    assert states(outcome) == {"anna": "done", "berta": "done"}
    assert (out / "anna_ED").stat().st_ino == kept
    assert (out / "berta_ES" / "case.json").is_file()
    assert (out / "berta_cine.json").is_file()
    shutil.rmtree(out / "berta_ED")  # by hand; the other phase still has the row
    assert states(run_cohort(plan, out, quiet, resume=True)) == {"anna": "done", "berta": "done"}
    assert (out / "berta_ED" / "case.json").is_file()
    assert not partial.exists()
    write_film(study / "anna.nii.gz", film((9, 7, 6, 8)))
    outcome = run_cohort(plan, out, quiet, resume=True)
    assert (out / "anna_ED").stat().st_ino != kept
    rows = {row.name: row for row in outcome.rows}
    assert rows["anna"].measures["ef_percent"] == pytest.approx(ef(9, 6), abs=0.01)


def test_frames_may_be_named_for_all_or_by_line(study: Path, bands: Path, tmp_path: Path) -> None:
    table = tmp_path / "study.csv"
    table.write_text("path,id,ed,es\nstudy/anna.nii.gz,A,3,1\nstudy/berta.nii.gz,B,,\n", "utf-8")
    first, second = plan_of([table], bands).cases
    assert (first.cine, first.options.ed, first.options.es) == (True, 3, 1)
    assert (second.options.ed, second.options.es) == (-1, -1)
    outcome = run_cohort(plan_of([table], bands), tmp_path / "out", Lines(tmp_path, quiet=True))
    measures = {row.name: row.measures["ef_percent"] for row in outcome.rows}
    assert measures == {"A": pytest.approx(ef(8, 7), abs=0.01), "B": pytest.approx(ef(9, 6), abs=0.01)}
    table.write_text("path,es\nstudy/anna.nii.gz,last\n", "utf-8")
    with pytest.raises(UsageError, match="line 2: es"):
        plan_of([table], bands)


def test_a_film_and_a_scan_must_not_share_a_folder(study: Path, bands: Path) -> None:
    write_scan(study / "anna_ED.nii.gz", 0)
    with pytest.raises(UsageError, match="would both become the case anna_ED"):
        plan_of([study], bands)
    assert Case("a", "", "", cine=True).folders == ("a_ED", "a_ES")


def test_a_late_enhancement_model_passes_films_over(study: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    write_scan(study / "lge.nii.gz", 0)
    out = tmp_path / "out"
    command = ["segment", str(study), "-o", str(out), "--model", str(tiny_bundle), "--device", "cpu"]
    assert main([*command, "--no-tta", "--folds", "0", "--no-report"]) == ExitCode.DONE
    lines = (out / "cohort.csv").read_text("utf-8")
    assert lines.count("skipped,it has 4 dimensions") == 2


def test_ranges_of_late_enhancement_say_nothing_about_a_cine(bands: Path, tiny_bundle: Path) -> None:
    from CardiacUQLib.bundles.bundle import load_bundle

    assert set(training_ranges(load_bundle(bands).manifest)) == set(GEOMETRY)
    assert "contrast" in training_ranges(load_bundle(tiny_bundle).manifest)


def write_phases(folder: Path, ed: str, es: str, radii: tuple[float, float] = (10, 5)) -> None:
    folder.mkdir(exist_ok=True)
    for name, frame in zip((ed, es), film(radii), strict=True):
        write_stack(folder / name, frame)


def test_both_phases_of_a_patient_are_one_row(bands: Path, tmp_path: Path) -> None:
    """As ACDC has them: an Info.cfg, two frames with labels, and the film that they are frames of."""
    patient = tmp_path / "patient007"
    write_phases(patient, "patient007_frame01.nii.gz", "patient007_frame12.nii.gz")
    write_phases(patient, "patient007_frame01_gt.nii.gz", "patient007_frame12_gt.nii.gz")
    write_film(patient / "patient007_4d.nii.gz", film((10, 7, 5)))
    (patient / "Info.cfg").write_text("ED: 1\nES: 12\nGroup: DCM\n", "utf-8")
    out = tmp_path / "out"
    command = ["segment", str(patient), "-o", str(out), "--model", str(bands), "--device", "cpu"]
    assert main([*command, "--folds", "0", "--no-tta"]) == ExitCode.DONE
    with (out / "cohort.csv").open(newline="") as table:
        rows = {row["case"]: row for row in csv.DictReader(table)}
    assert {name: row["state"] for name, row in rows.items() if row["state"] != "skipped"} == {
        "patient007": "done"
    }
    assert float(rows["patient007"]["ef_percent"]) == pytest.approx(ef(10, 5), abs=0.01)
    assert "files of their own" in rows["patient007_4d"]["reason"]
    summary = json.loads((out / "patient007_cine.json").read_text("utf-8"))
    assert Path(summary["inputs"]["ES"]).name == "patient007_frame12.nii.gz"


def test_phases_pair_up_in_folders_lists_and_patterns(bands: Path, tmp_path: Path) -> None:
    write_phases(tmp_path / "study", "P7_ED.nii.gz", "P7_ES.nii.gz")
    write_phases(tmp_path / "study", "P8_ED.nii.gz", "P8_ES.nii.gz")
    write_stack(tmp_path / "study" / "alone_ED.nii.gz", film((9,))[0])
    files = sorted((tmp_path / "study").iterdir(), reverse=True)
    for inputs in ([tmp_path / "study"], files, [str(tmp_path / "study" / "*.nii.gz")]):
        plan = plan_of(inputs, bands)
        assert {case.name: case.cine for case in plan.cases} == {"P7": True, "P8": True, "alone_ED": False}
    assert len(collect([tmp_path / "study"], "lge", FAST).cases) == 5  # no film, no pair


def test_paired_phases_are_kept_and_done_again_when_one_changes(bands: Path, tmp_path: Path) -> None:
    write_phases(tmp_path / "study", "P7_ED.nii.gz", "P7_ES.nii.gz")
    out, quiet = tmp_path / "out", Lines(tmp_path, quiet=True)
    plan = plan_of([tmp_path / "study"], bands)
    assert states(run_cohort(plan, out, quiet)) == {"P7": "done"}
    kept = (out / "P7_ED").stat().st_ino
    assert states(run_cohort(plan, out, quiet, resume=True)) == {"P7": "done"}
    assert (out / "P7_ED").stat().st_ino == kept
    write_stack(tmp_path / "study" / "P7_ES.nii.gz", film((6,))[0])
    (row,) = run_cohort(plan, out, quiet, resume=True).rows
    assert row.measures["ef_percent"] == pytest.approx(ef(10, 6), abs=0.01)


def test_a_column_says_which_phase_a_line_is(bands: Path, tmp_path: Path) -> None:
    write_phases(tmp_path / "study", "a.nii.gz", "b.nii.gz")
    write_film(tmp_path / "study" / "film.nii.gz", film((9, 6)))
    table = tmp_path / "study.csv"
    table.write_text(
        "path,id,phase\nstudy/b.nii.gz,P1,es\nstudy/film.nii.gz,P2,\nstudy/a.nii.gz,P1,ED\n", "utf-8"
    )
    outcome = run_cohort(plan_of([table], bands), tmp_path / "out", Lines(tmp_path, quiet=True))
    measures = {row.name: row.measures["ef_percent"] for row in outcome.rows}
    assert measures == {"P1": pytest.approx(ef(10, 5), abs=0.01), "P2": pytest.approx(ef(9, 6), abs=0.01)}
    for text, words in (
        ("path,id,phase\na.nii,P1,ED\n", "line 2: P1 has no line with phase ES"),
        ("path,id,phase\na.nii,P1,ED\nb.nii,p1,ED\n", "line 3: p1 has another line"),
        ("path,id,phase\na.nii,,ED\n", "line 2: a phase needs an id"),
        ("path,id,phase\na.nii,P1,mid\n", "line 2: phase is"),
    ):
        table.write_text(text, "utf-8")
        with pytest.raises(UsageError, match=words):
            plan_of([table], bands)


def test_names_given_by_hand_part_what_file_names_join(bands: Path, tmp_path: Path) -> None:
    write_phases(tmp_path / "study", "P7_ED.nii.gz", "P7_ES.nii.gz")
    table = tmp_path / "study.csv"
    table.write_text("path,id\nstudy/P7_ED.nii.gz,first\nstudy/P7_ES.nii.gz,second\n", "utf-8")
    assert [case.name for case in plan_of([table], bands).cases] == ["first", "second"]


def test_a_killed_worker_leaves_no_half_film(study: Path, bands: Path, tmp_path: Path) -> None:
    """The process of the first finished film is killed while it has the next one in hand.

    It is the only one: it must come back, however short Dask's own patience is.
    """
    for number in range(3):
        write_film(study / f"more{number}.nii.gz", film((10, 6 + number / 2, 8)))
    out, killed = tmp_path / "out", []

    class Killer(Lines):
        def case(self, row: object, standing: object) -> None:
            if not killed:
                killed.append(int(row.worker.rpartition(":")[2]))
                os.kill(killed[0], signal.SIGKILL)

    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1 ms"}):
        outcome = run_cohort(plan_of([study], bands), out, Killer(out, quiet=True), engine=Engine(workers=1))
    assert killed
    assert set(states(outcome).values()) == {"done"}
    assert {row.name: round(row.measures["ef_percent"], 1) for row in outcome.rows}["more0"] == round(
        ef(10, 6), 1
    )
    assert hidden_in(out) == []
