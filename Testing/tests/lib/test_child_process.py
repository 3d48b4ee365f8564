"""The child process that Slicer starts, as a process: exit codes, lines, signals, light imports."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from cascade_fakes import random_bundle

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.childprocess import ChildProcess, State

PACKAGE_ROOT = Path(__file__).resolve().parents[3] / "CardiacUQ"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT), "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    random_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "heart.nii.gz"
    voxels = np.random.default_rng(0).normal(100, 20, (3, 40, 44)).astype(np.float32)
    stack = sitk.GetImageFromArray(voxels)
    stack.SetSpacing((1.5, 1.5, 10.0))
    sitk.WriteImage(stack, str(path))
    return path


def command(*arguments):
    return [sys.executable, "-m", "CardiacUQLib", *map(str, arguments)]


def run(*arguments):
    return subprocess.run(command(*arguments), env=ENVIRONMENT, capture_output=True, text=True, timeout=100)


def called_in_process(capsys, *arguments):
    """Exit code and standard error of the same entry point without the cost of a new process."""
    from CardiacUQLib.__main__ import main

    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    try:
        code = main([str(a) for a in arguments])
    finally:
        for name, handler in zip((signal.SIGINT, signal.SIGTERM), handlers, strict=True):
            signal.signal(name, handler)
    return code, capsys.readouterr().err


def test_a_case_folder_with_preview_and_progress(model, image, tmp_path):
    done = run(
        "--input", image, "--output", tmp_path, "--model", model, "--device", "cpu", "--preview", "--progress"
    )
    assert done.returncode == ExitCode.DONE, done.stderr
    assert done.stderr == ""
    assert {p.name for p in tmp_path.iterdir()} == {"heart", "heart.preview"}
    preview, full = (json.loads((tmp_path / n / "case.json").read_text()) for n in ("heart.preview", "heart"))
    assert (preview["run"]["folds"], preview["run"]["views"]) == ([0], ["identity"])
    assert (full["run"]["folds"], full["run"]["views"]) == ([0, 1], ["identity", "horizontal", "vertical"])
    assert read_case(tmp_path / "heart").read("segmentation").shape == (3, 40, 44)
    lines = done.stdout.splitlines()
    shares = [float(line[17:-18]) for line in lines if line.startswith("<filter-progress>")]
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)
    assert "<filter-comment>preview written</filter-comment>" in lines
    assert all(line.startswith("<filter-") for line in lines)


def test_options_reach_the_record_and_nothing_is_printed(model, image, tmp_path, capsys):
    code, _ = called_in_process(
        capsys,
        *("--input", image, "--output", tmp_path, "--model", model, "--name", "other", "--folds", "1"),
        *("--no-tta", "--device", "cpu", "--precision", "float32"),
    )
    assert code == ExitCode.DONE
    record = json.loads((tmp_path / "other" / "case.json").read_text())
    assert (record["run"]["folds"], record["run"]["views"]) == ([1], ["identity"])
    assert record["run"]["precision"] == "float32"


def bad_calls(model, image, tmp_path):
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(image.read_bytes()[:200])
    usable = {"--input": image, "--output": tmp_path / "out", "--model": model}
    return {
        "no arguments": ({}, ExitCode.USAGE, "required"),
        "unknown device": ({**usable, "--device": "tpu"}, ExitCode.USAGE, "tpu"),
        "unknown fold": ({**usable, "--folds": "9"}, ExitCode.USAGE, "fold 9"),
        "folds that are no numbers": ({**usable, "--folds": "one"}, ExitCode.USAGE, "'one'"),
        "unknown precision": ({**usable, "--precision": "half"}, ExitCode.USAGE, "half"),
        "missing image": ({**usable, "--input": tmp_path / "no.nii.gz"}, ExitCode.INPUT, "no.nii.gz"),
        "truncated image": ({**usable, "--input": broken}, ExitCode.INPUT, "broken.nii.gz"),
        "missing model": ({**usable, "--model": "nowhere"}, ExitCode.MODEL, "nowhere"),
    }


KINDS = (
    "no arguments",
    "unknown device",
    "unknown fold",
    "folds that are no numbers",
    "unknown precision",
    "missing image",
    "truncated image",
    "missing model",
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_is_its_exit_code_and_one_line(kind, model, image, tmp_path, capsys):
    options, expected, said = bad_calls(model, image, tmp_path)[kind]
    code, errors = called_in_process(capsys, *(part for pair in options.items() for part in pair))
    assert code == expected
    assert len(errors.splitlines()) == 1
    assert said in errors
    assert not list(tmp_path.glob("out/*"))


def test_a_failure_of_the_process_has_no_traceback(image, tmp_path):
    done = run("--input", image, "--output", tmp_path, "--model", "nowhere", "--progress")
    assert done.returncode == ExitCode.MODEL
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_existing_case_folder_is_left_alone_without_overwrite(model, image, tmp_path, capsys):
    arguments = ("--input", image, "--output", tmp_path, "--model", model, "--no-tta", "--folds", "0")
    assert called_in_process(capsys, *arguments)[0] == ExitCode.DONE
    before = (tmp_path / "heart" / "case.json").read_bytes()
    code, errors = called_in_process(capsys, *arguments)
    assert code == ExitCode.USAGE
    assert "exists" in errors
    assert (tmp_path / "heart" / "case.json").read_bytes() == before
    assert called_in_process(capsys, *arguments, "--overwrite")[0] == ExitCode.DONE
    assert [p.name for p in tmp_path.iterdir()] == ["heart"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without a signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_130_and_nothing_written(number, model, image, tmp_path):
    arguments = ("--input", image, "--output", tmp_path, "--model", model, "--progress", "--preview")
    process = subprocess.Popen(
        command(*arguments), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert "loading" in process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == ExitCode.CANCELLED
    assert errors.strip() == "cancelled"
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without a signal")
def test_a_signal_while_writing_leaves_no_half_written_folder(model, image, tmp_path):
    arguments = ("--input", image, "--output", tmp_path, "--model", model, "--progress", "--no-tta")
    process = subprocess.Popen(
        command(*arguments), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if "writing" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    if process.returncode == ExitCode.DONE:  # it was quicker than the signal: then the case is whole
        assert read_case(tmp_path / "heart").components is not None
    else:
        assert process.returncode == ExitCode.CANCELLED
        assert errors.strip() == "cancelled"
        assert not list(tmp_path.iterdir())


def imported_after(statement):
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=100
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    loaded = imported_after(
        "import CardiacUQLib; CardiacUQLib.Volume; CardiacUQLib.load_bundle; dir(CardiacUQLib)"
    )
    assert "CardiacUQLib.bundles.bundle" in loaded
    assert not loaded & {"torch", "monai", "matplotlib", "pydicom", "slicer", "qt", "vtk"}


def test_segmenting_needs_no_monai():
    loaded = imported_after(
        "from CardiacUQLib.inference.segment import segment as inner; "
        "import CardiacUQLib; assert CardiacUQLib.segment.__wrapped__ is inner; "
        "from CardiacUQLib import errors, Result, read_volume; assert errors.ExitCode.MODEL == 4"
    )
    assert "torch" in loaded
    assert not loaded & {"monai", "matplotlib", "pydicom", "slicer", "qt", "vtk", "CardiacUQTraining"}


def test_unknown_names_are_attribute_errors():
    import CardiacUQLib

    with pytest.raises(AttributeError, match="no attribute 'segmnt'"):
        _ = CardiacUQLib.segmnt


def test_a_waiting_child_runs_what_it_is_told(model, image, tmp_path):
    child = ChildProcess(command("--wait"), environment=ENVIRONMENT, listens=True)
    child.start()
    told = ["--input", str(image), "--output", str(tmp_path), "--model", str(model), "--device", "cpu"]
    assert child.tell(json.dumps([*told, "--folds", "0", "--no-tta", "--progress"]))
    while not child.poll().state.final:
        time.sleep(0.05)
    assert child.state is State.COMPLETED, child.last_lines()
    assert "cpu" in dict(json.loads(child.devices)) and child.share == 1.0
    assert read_case(tmp_path / "heart").name == "heart"
    assert not child.tell("[]"), "it is gone"


def test_a_waiting_child_ends_with_its_parent():
    done = subprocess.run(command("--wait"), env=ENVIRONMENT, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == ExitCode.DONE


def test_a_scan_without_a_heart_is_refused_and_kept_on_request(image, tmp_path, capsys):
    options = ("--input", image, "--output", tmp_path, "--model", "lge-cascade", "--folds", "0", "--no-tta")
    code, errors = called_in_process(capsys, *options)
    assert code == ExitCode.INPUT and "nothing like a heart was found" in errors
    assert not list(tmp_path.iterdir())
    code, _ = called_in_process(capsys, *options, "--keep-unlike")
    assert code == ExitCode.DONE
    record = json.loads((tmp_path / "heart" / "case.json").read_text())
    assert record["verdict"]["word"] == "redo" and "unlike" in record["verdict"]["reason"]
