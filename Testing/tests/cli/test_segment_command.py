"""``cardiacuq segment`` as a user meets it: what it writes, what it refuses, what it leaves untouched."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from cli_fixtures import Outcome, everything_in, start_process

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.cases.casefolder import read_case

Command = Callable[..., Outcome]
FAST = ("--device", "cpu", "--folds", "0", "--no-tta")


def test_writes_a_complete_case_folder_on_the_grid_of_the_scan(
    cardiacuq: Command, scan: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    outcome = cardiacuq("segment", scan, "-o", tmp_path / "out", "--model", tiny_bundle, "--device", "cpu")
    assert (outcome.code, outcome.err) == (ExitCode.DONE, "")
    folder = tmp_path / "out" / "heart"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["heart"]
    case = read_case(folder)
    assert case.run.folds == (0, 1)
    assert case.run.views == ("identity", "horizontal", "vertical")
    assert case.pass_volumes_ml.shape == (6, 5)
    original = sitk.ReadImage(str(scan))
    for name in ("segmentation", "stage2d", "scs", "dcm"):
        written = sitk.ReadImage(str(folder / f"{name}.nii.gz"))
        assert written.GetSize() == original.GetSize()
        np.testing.assert_allclose(written.GetSpacing(), original.GetSpacing(), rtol=1e-6)
    volumes = json.loads((folder / "measures.json").read_text("utf-8"))["volumes_ml"]
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "segmentation.nii.gz")))
    assert volumes["infarct"] == pytest.approx((labels == 3).sum() * 1.458**2 * 10 / 1000, rel=1e-4)
    assert json.loads((folder / "measures.json").read_text("utf-8"))["headline"] in outcome.out
    assert '<img src="data:image/png;base64,' in (folder / "report.html").read_text("utf-8")


def test_the_options_reach_the_run(cardiacuq: Command, scan: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    options = ("--folds", "1", "--no-tta", "--precision", "float32", "--device", "cpu", "--quiet")
    outcome = cardiacuq("segment", scan, "-o", tmp_path / "out", "--model", tiny_bundle, *options)
    assert (outcome.code, outcome.out, outcome.err) == (ExitCode.DONE, "", "")
    run = read_case(tmp_path / "out" / "heart").run
    assert (run.folds, run.views, run.precision) == ((1,), ("identity",), "float32")


def test_a_second_run_needs_overwrite_and_gives_the_same_labels(
    cardiacuq: Command, scan: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    arguments = ("segment", scan, "-o", tmp_path / "out", "--model", tiny_bundle, *FAST)
    assert cardiacuq(*arguments).code == ExitCode.DONE
    before = everything_in(tmp_path / "out")
    refused = cardiacuq(*arguments)
    assert refused.code == ExitCode.USAGE
    assert "--overwrite" in refused.error_line
    assert everything_in(tmp_path / "out") == before
    assert cardiacuq(*arguments, "--overwrite").code == ExitCode.DONE
    after = everything_in(tmp_path / "out")
    assert after.keys() == before.keys()
    assert after["heart/segmentation.nii.gz"] == before["heart/segmentation.nii.gz"]


def test_spaces_and_umlauts_in_every_path(
    cardiacuq: Command,
    write_image: Callable[..., Path],
    stack: np.ndarray,
    tiny_bundle: Path,
    tmp_path: Path,
) -> None:
    scan = write_image("Büro Süd/Herz Müller ß.nii.gz", stack)
    out = tmp_path / "Ergebnis für Ärzte"
    outcome = cardiacuq("segment", scan, "-o", out, "--model", tiny_bundle, *FAST)
    assert (outcome.code, outcome.err) == (ExitCode.DONE, "")
    assert read_case(out / "Herz Müller ß").input_path == scan.resolve()


def bad_inputs(write: Callable[..., Path], stack: np.ndarray, folder: Path) -> dict[str, tuple[Path, str]]:
    """Every scan that must be refused, with a word its one line must contain."""
    truncated = folder / "truncated.nii.gz"
    truncated.write_bytes(write("whole.nii.gz", stack).read_bytes()[:2000])
    short = folder / "short.nii"
    short.write_bytes(write("whole.nii", stack).read_bytes()[:-5000])
    (folder / "text.nii.gz").write_text("this is no image\n")
    (folder / "nothing.nrrd").write_bytes(b"")
    (folder / "notes.docx").write_bytes(b"PK")
    (folder / "empty folder").mkdir()
    nan_spacing = write("spacing.nii", stack)
    header = bytearray(nan_spacing.read_bytes())
    for start in (80, 280, 284, 288):  # pixdim[1] and the first entries of the sform's rows
        header[start : start + 4] = np.float32(np.nan).tobytes()
    nan_spacing.write_bytes(header)
    return {
        "missing": (folder / "nowhere.nii.gz", "no such file"),
        "truncated gzip": (truncated, "truncated"),
        "truncated raw": (short, "truncated"),
        "text": (folder / "text.nii.gz", "text.nii.gz"),
        "empty file": (folder / "nothing.nrrd", "empty"),
        "unknown format": (folder / "notes.docx", "format"),
        "empty folder": (folder / "empty folder", "DICOM"),
        "4D": (write("phases.nii.gz", np.stack([stack, stack])), "4 dimensions"),
        "vector NIfTI": (write("rgb.nii.gz", np.stack([stack] * 3, -1), vector=True), "3 values"),
        "vector NRRD": (write("rgb.nrrd", np.stack([stack] * 3, -1), vector=True), "3 values"),
        "two slices": (write("thin.nii.gz", stack[:2]), "2 slices"),
        "small plane": (write("small.nii.gz", stack[:, :31, :31]), "31 x 31"),
        "constant": (write("flat.nii.gz", np.full_like(stack, 7)), "constant"),
        "all NaN": (write("nan.nii.gz", np.full_like(stack, np.nan)), "NaN"),
        "spacing": (nan_spacing, "voxel size"),
    }


BAD = (
    "missing", "truncated gzip", "truncated raw", "text", "empty file", "unknown format", "empty folder",
    "4D", "vector NIfTI", "vector NRRD", "two slices", "small plane", "constant", "all NaN", "spacing",
)  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_scan_is_one_line_and_changes_nothing(
    kind: str,
    cardiacuq: Command,
    write_image: Callable[..., Path],
    stack: np.ndarray,
    tiny_bundle: Path,
    tmp_path: Path,
) -> None:
    cases = bad_inputs(write_image, stack, tmp_path)
    assert set(cases) == set(BAD)
    path, word = cases[kind]
    existing = tmp_path / "out" / path.name.split(".")[0]
    existing.mkdir(parents=True)
    (existing / "case.json").write_text('{"kept": true}\n')
    before = everything_in(tmp_path / "out")
    outcome = cardiacuq("segment", path, "-o", tmp_path / "out", "--model", tiny_bundle, "--overwrite", *FAST)
    assert outcome.code == ExitCode.INPUT
    assert outcome.out == ""
    assert outcome.error_line.startswith(f"cardiacuq: {path}: ")
    assert word in outcome.error_line
    assert ";" in outcome.error_line, "the line must say what would be right"
    assert everything_in(tmp_path / "out") == before


def test_voxels_that_are_no_numbers_are_warned_about(
    cardiacuq: Command,
    write_image: Callable[..., Path],
    stack: np.ndarray,
    tiny_bundle: Path,
    tmp_path: Path,
) -> None:
    holed = stack.copy()
    holed[1, 2, 3] = np.nan
    scan = write_image("holed.nii.gz", holed)
    assert cardiacuq("segment", scan, "-o", tmp_path / "out", "--model", tiny_bundle, *FAST).code == 0
    assert any("NaN" in line for line in read_case(tmp_path / "out" / "holed").warnings)


def test_the_others_of_a_batch_go_on(
    cardiacuq: Command,
    write_image: Callable[..., Path],
    stack: np.ndarray,
    tiny_bundle: Path,
    tmp_path: Path,
) -> None:
    scans = [
        write_image("a.nii.gz", stack),
        write_image("b.nii.gz", np.zeros_like(stack)),
        write_image("c.nrrd", stack),
    ]
    outcome = cardiacuq("segment", *scans, "-o", tmp_path / "out", "--model", tiny_bundle, *FAST)
    assert outcome.code == ExitCode.PARTIAL
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["a", "c", "cohort.csv", "cohort.html"]
    lines = outcome.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"cardiacuq: {scans[1]}: ")
    assert lines[1] == "cardiacuq: 1 of 3 inputs failed"


def test_names_that_clash_are_refused_before_any_work(
    cardiacuq: Command,
    write_image: Callable[..., Path],
    stack: np.ndarray,
    tiny_bundle: Path,
    tmp_path: Path,
) -> None:
    scans = [write_image("first/heart.nii.gz", stack), write_image("second/Heart.nrrd", stack)]
    outcome = cardiacuq("segment", *scans, "-o", tmp_path / "out", "--model", tiny_bundle)
    assert outcome.code == ExitCode.USAGE
    assert str(scans[0]) in outcome.error_line
    assert str(scans[1]) in outcome.error_line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--folds", "0,x"), "write for example 0,1"),
        (("--folds", "7"), "no fold 7"),
        (("--device", "abacus"), "abacus"),
        (("--precision", "float8"), "float8"),
    ],
)
def test_wrong_options_are_one_line_and_write_nothing(
    options: tuple[str, str], word: str, cardiacuq: Command, scan: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    outcome = cardiacuq("segment", scan, "-o", tmp_path / "out", "--model", tiny_bundle, *options)
    assert outcome.code == ExitCode.USAGE
    assert word in outcome.error_line
    assert not (tmp_path / "out").exists()


def test_the_output_cannot_be_a_file(
    cardiacuq: Command, scan: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("mine")
    outcome = cardiacuq("segment", scan, "-o", tmp_path / "out", "--model", tiny_bundle)
    assert outcome.code == ExitCode.USAGE
    assert "--output" in outcome.error_line
    assert (tmp_path / "out").read_text() == "mine"


def no_computing(*args: object, **options: object) -> None:
    """Stands in for the networks where they must not be reached."""
    raise AssertionError("the networks ran before the place was checked")


@pytest.mark.parametrize("there", ["folder of other files", "file", "link", "output below a file"])
def test_a_place_that_cannot_take_the_case_is_refused_before_any_work(
    there: str,
    cardiacuq: Command,
    scan: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    segment = importlib.import_module("CardiacUQLib.inference.segment")
    monkeypatch.setattr(segment, "segment", no_computing)
    out = tmp_path / "out"
    place = out / "heart"
    out.mkdir()
    if there == "folder of other files":
        place.mkdir()
        (place / "thesis.txt").write_text("mine")
    elif there == "file":
        place.write_text("mine")
    elif there == "link":
        place.symlink_to(tmp_path / "elsewhere")
    else:
        (out / "notes").write_text("mine")
        out = out / "notes" / "cases"
    before = everything_in(tmp_path)
    outcome = cardiacuq("segment", scan, "-o", out, "--model", tiny_bundle, "--overwrite", *FAST)
    assert outcome.code == ExitCode.USAGE
    assert str(out / "heart") in outcome.error_line
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("cohort", [(), ("--no-report",)])
def test_a_linked_scan_is_called_by_the_name_of_the_link(
    cohort: tuple[str, ...], cardiacuq: Command, scan: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    link = tmp_path / "patient7.nii.gz"
    link.symlink_to(scan)
    outcome = cardiacuq("segment", link, "-o", tmp_path / "out", "--model", tiny_bundle, *cohort, *FAST)
    assert (outcome.code, outcome.err) == (ExitCode.DONE, "")
    case = read_case(tmp_path / "out" / "patient7")
    assert case.name == "patient7"
    assert not (tmp_path / "out" / "heart").exists()


def test_a_dicom_folder_gives_its_name_and_its_series_can_be_chosen(
    cardiacuq: Command, write_dicom: Callable[[Path, str], Path], tiny_bundle: Path, tmp_path: Path
) -> None:
    folder = write_dicom(write_dicom(tmp_path / "Late enhancement", "1.2.3.7"), "1.2.3.8")
    arguments = ("segment", folder, "-o", tmp_path / "out", "--model", tiny_bundle, *FAST)
    refused = cardiacuq(*arguments)
    assert refused.code == ExitCode.INPUT
    assert "--series" in refused.error_line
    assert "1.2.3.7" in refused.error_line
    assert not (tmp_path / "out").exists()
    chosen = cardiacuq(*arguments, "--series", "1.2.3.8")
    assert chosen.code == ExitCode.DONE
    assert chosen.err.splitlines() == [
        "note: Late enhancement: its slices are 58 degrees away from the usual short axis"
    ]
    case = read_case(tmp_path / "out" / "Late enhancement")
    assert case.source_geometry.size == (96, 96, 4)
    assert "<h1>Late enhancement</h1>" in (case.folder / "report.html").read_text("utf-8")


def damage(folder: Path, kind: str) -> None:
    """Spoil a bundle the way ``kind`` says."""
    manifest = folder / "manifest.json"
    weights = sorted(folder.glob("*.safetensors"))[0]
    document = json.loads(manifest.read_text("utf-8"))
    if kind == "tampered":
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    elif kind == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif kind == "missing":
        weights.unlink()
    elif kind == "wrong shape":
        document["networks"]["stage2d"]["filters"][0] += 1
    elif kind == "unknown version":
        document["format_version"] = 99
    elif kind == "outside":
        document["weights"][0]["file"] = "../elsewhere.safetensors"
    elif kind == "not JSON":
        manifest.write_text("{", "utf-8")
        return
    manifest.write_text(json.dumps(document), "utf-8")


@pytest.mark.parametrize(
    "kind",
    [
        "tampered",
        "truncated",
        "missing",
        "wrong shape",
        "unknown version",
        "outside",
        "not JSON",
        "no bundle",
    ],
)
def test_a_bad_bundle_is_one_line_and_changes_nothing(
    kind: str, cardiacuq: Command, scan: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "spoilt"
    folder.mkdir()
    if kind != "no bundle":
        for name, content in everything_in(tiny_bundle).items():
            (folder / name).write_bytes(content)
        damage(folder, kind)
    existing = tmp_path / "out" / "heart"
    existing.mkdir(parents=True)
    (existing / "case.json").write_text('{"kept": true}\n')
    before = everything_in(tmp_path / "out")
    arguments = ("segment", scan, "-o", tmp_path / "out", "--model", folder, "--overwrite", "--device", "cpu")
    outcome = cardiacuq(*arguments)
    assert outcome.code == ExitCode.MODEL
    assert "spoilt" in outcome.error_line
    assert everything_in(tmp_path / "out") == before


def test_a_model_name_that_does_not_exist(cardiacuq: Command, scan: Path, tmp_path: Path) -> None:
    outcome = cardiacuq("segment", scan, "-o", tmp_path / "out", "--model", "no-such-model")
    assert outcome.code == ExitCode.MODEL
    assert "no-such-model" in outcome.error_line
    assert not (tmp_path / "out").exists()


def test_a_fault_of_the_program_is_one_line_with_a_log(
    cardiacuq: Command, scan: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from CardiacUQLib.studies import scan as scan_module

    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("first line\nsecond line")

    monkeypatch.setattr(scan_module, "write_case", broken)
    outcome = cardiacuq("segment", scan, "-o", tmp_path / "out", "--model", tiny_bundle, *FAST)
    assert outcome.code == 1
    found = re.fullmatch(r"cardiacuq: internal error: first line; details in (.+)", outcome.error_line)
    assert found is not None
    log = Path(found[1])
    assert "ZeroDivisionError" in log.read_text("utf-8")
    log.unlink()


def test_progress_lines_rise_to_one(
    cardiacuq: Command, scan: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    outcome = cardiacuq(
        "segment", scan, "-o", tmp_path / "out", "--model", tiny_bundle, "--progress-lines", "-q", *FAST
    )
    shares = [float(text) for text in re.findall(r"<filter-progress>(.+?)</filter-progress>", outcome.out)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert outcome.out.count("<filter-comment>") == len(shares)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_in_the_middle_of_a_run_leaves_nothing(
    stop: signal.Signals, scan: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    arguments = ("segment", scan, "-o", tmp_path / "out", "--model", tiny_bundle, "--progress-lines")
    process = start_process(*arguments, "--device", "cpu", folder=tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if "region of interest chosen" in line:
            break
    process.send_signal(stop)
    out, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.CANCELLED
    assert err.splitlines() == ["cardiacuq: cancelled"]
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
    assert "report.html" not in out


def test_a_real_process_says_one_line_and_exits_with_the_code(
    write_image: Callable[..., Path], stack: np.ndarray, tiny_bundle: Path, tmp_path: Path
) -> None:
    scan = write_image("flat.nii.gz", np.zeros_like(stack))
    process = start_process("segment", scan, "-o", "out", "--model", tiny_bundle, folder=tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INPUT
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "constant" in err
    assert not (tmp_path / "out").exists()
