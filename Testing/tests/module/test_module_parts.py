"""The module object, sample data, model choice, self-test and the batch command, run for real."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

CLI = Path(__file__).resolve().parents[3] / "CardiacUQ/CLI/CardiacUQSegment/CardiacUQSegment.py"


def test_the_module_introduces_itself(host, module):
    parent = host.slicer.modules.cardiacuq.instance.parent
    assert (parent.title, parent.categories) == ("CardiacUQ", ["Cardiac"])
    assert parent.contributors and "Research use only" in parent.helpText and parent.acknowledgementText
    assert "CardiacUQ" in host.slicer.selfTests
    assert host.slicer.modules.terminologies.logic().IsTerminologyContextLoaded("CardiacUQ")


def test_both_phantoms_are_in_sample_data_and_load(host, module):
    import SampleData

    assert SampleData.categories == {"CardiacUQ": "CardiacUQ"}
    assert [source["name"] for source in SampleData.sources] == [
        "CardiacUQ LGE phantom",
        "CardiacUQ cine phantom",
    ]
    volume = SampleData.sources[0]["load"](None)
    assert volume.GetImageData().GetDimensions()[2] >= 5
    assert volume.GetName() == "CardiacUQ-LGE-phantom"
    widget = host.open("CardiacUQ")
    assert widget.ui.inputSelector.currentNode() is volume


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("12: LGE_PSIR_SAX", "lge"),
        ("Delayed enhancement", "lge"),
        ("case_N042", "lge"),
        ("patient003_ED", "cine"),
        ("cine SAX stack", "cine"),
        ("bSSFP", "cine"),
        ("Late Gad", "lge"),
    ],
)
def test_the_model_is_guessed_from_the_name(host, module, name, expected):
    from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
    from CardiacUQWidgets.contrast import evidence_of
    from CardiacUQWidgets.model_panel import guess_bundle

    def bundle(kind, classes):
        return SimpleNamespace(kind=kind, manifest=SimpleNamespace(classes=classes))

    bundles = (bundle("cine", CINE_CLASSES), bundle("lge", LGE_CLASSES))
    evidence = evidence_of(host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name))
    assert guess_bundle(bundles, evidence).kind == expected
    assert guess_bundle(bundles[:1], evidence).kind == "cine", "what there is, if nothing fits"
    assert guess_bundle((), evidence) is None


def test_a_sequence_and_the_dicom_header_count_more_than_the_name(host, module):
    import slicer

    from CardiacUQWidgets.contrast import Contrast, evidence_of

    volume = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "LGE")
    headers = {"0020,0105": "25"}
    # The host gives `slicer` back as it was.
    slicer.dicomDatabase = SimpleNamespace(instanceValue=lambda uid, tag: headers.get(tag, ""))
    assert evidence_of(volume).contrast is Contrast.LGE, "not from the database: its name"
    volume.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    assert evidence_of(volume).contrast is Contrast.CINE and "phases" in evidence_of(volume).words
    headers["0018,0020"] = "GR\\IR"
    assert evidence_of(volume).contrast is Contrast.LGE

    sequence = host.scene.AddNode(slicer.vtkMRMLSequenceNode())
    for frame in range(3):
        sequence.SetDataNodeAtValue(volume, str(frame))
    browser = host.scene.AddNode(slicer.vtkMRMLSequenceBrowserNode())
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.AddProxyNode(volume, sequence, False)
    assert evidence_of(volume).contrast is Contrast.CINE and "3 images" in evidence_of(volume).words


def test_a_model_for_the_other_kind_of_image_is_warned_about(host, module, load, phantom_file, tmp_path):
    """Only an LGE model is installed; the volume says that it is a frame of a cine."""
    cine = tmp_path / "patient7_cine_ED.nii.gz"
    cine.write_bytes(phantom_file.read_bytes())
    load(phantom_file)
    widget = host.open("CardiacUQ")
    assert "Check the model" not in widget.ui.modelLabel.text
    widget.ui.inputSelector.setCurrentNode(load(cine))
    assert "looks like cine (its name says cine)" in widget.ui.modelLabel.text
    assert "made for late enhancement" in widget.ui.modelLabel.text


def test_the_notice_is_shown_until_it_is_confirmed_once(host, module, widget):
    from CardiacUQWidgets.notice import FirstUseNotice

    assert widget.ui.noticeFrame.visible and "not a medical device" in widget.ui.noticeLabel.text
    assert widget.ui.segmentButton.enabled, "it informs, it does not block"
    widget.ui.noticeButton.click()
    assert not widget.ui.noticeFrame.visible
    widget.ui.noticeFrame.visible = True
    FirstUseNotice(widget.ui)  # the next start of the application
    assert not widget.ui.noticeFrame.visible


def test_settings_of_the_computer_stay_out_of_the_scene(host, widget, tmp_path):
    from CardiacUQWidgets import computer

    widget.ui.resultsPath.currentPath = str(tmp_path / "elsewhere")
    widget.ui.reviewerEdit.text = "Jane Doe"
    widget.ui.reviewerEdit.editingFinished.emit()
    assert computer.results_folder() == tmp_path / "elsewhere"
    assert computer.reviewer() == "Jane Doe"
    node = widget.logic.getParameterNode().parameterNode
    stored = " ".join(node.GetParameter(name) for name in node.GetParameterNames())
    assert "Jane" not in stored and "elsewhere" not in stored


def test_the_expected_time_follows_what_was_measured(host, module):
    from CardiacUQWidgets import computer

    computer.remember_speed(seconds=30.0, slices=8, passes=15)
    assert computer.expected_seconds("cpu", slices=8, passes=15) == pytest.approx(30.0)
    assert computer.expected_seconds("cpu", slices=16, passes=5) == pytest.approx(20.0)
    assert "about 30 s" in computer.device_line(8, 15)


@pytest.mark.timeout(600)
def test_the_self_test_really_runs(host, module):
    host.slicer.selfTests["CardiacUQ"](msec=0)
    assert host.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def _batch(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(CLI), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": "", **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.timeout(600)
def test_the_batch_command_writes_what_slicer_asks_for(phantom_file, tiny_bundle, tmp_path):
    import SimpleITK as sitk

    done = _batch(
        phantom_file,
        "--modelFolder",
        tiny_bundle,
        "--device",
        "cpu",
        "--folds",
        "0",
        "--noFlips",
        "--segmentation",
        tmp_path / "labels.nrrd",
        "--scs",
        tmp_path / "scs.nrrd",
        "--corrections",
        tmp_path / "dcm.nrrd",
        "--measurements",
        tmp_path / "m.csv",
        "--caseFolder",
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.rstrip().endswith("<filter-progress>1.000</filter-progress>")
    image = sitk.ReadImage(str(phantom_file))
    maps = {name: sitk.ReadImage(str(tmp_path / f"{name}.nrrd")) for name in ("labels", "scs", "dcm")}
    for written in maps.values():
        assert written.GetSize() == image.GetSize()
        np.testing.assert_allclose(written.GetOrigin(), image.GetOrigin())
    labels, codes = (sitk.GetArrayFromImage(maps[n]) for n in ("labels", "dcm"))
    scores = sitk.GetArrayFromImage(maps["scs"])
    assert labels.max() <= 4 and scores.dtype == np.float32
    assert (codes[codes > 0] % 5 == labels[codes > 0]).all(), "a correction became the final label"
    with (tmp_path / "m.csv").open(encoding="utf-8") as stream:
        table = list(csv.reader(stream))
    assert table[0] == ["measure", "value", "unit", "low", "high", "interval"]
    rows = {row[0]: row[1] for row in table[1:]}
    mass = next(row for row in table if row[0] == "lv_mass_g")
    assert mass[2] == "g" and (not mass[1] or float(mass[1]) > 0)
    assert (tmp_path / phantom_file.name.partition(".")[0] / "report.html").is_file()
    voxel_ml = float(np.prod(image.GetSpacing())) / 1000.0
    infarct_ml = float((labels == 3).sum()) * voxel_ml
    assert float(rows["volumes_ml.infarct"]) == round(infarct_ml, 4), "stored to 0.1 mm3"


@pytest.mark.timeout(600)
def test_a_point_of_slicer_reaches_the_measures(phantom_file, tiny_bundle, tmp_path):
    """Slicer hands "-12,3,40" over as a word of its own, which must not be taken for an option."""
    done = _batch(
        phantom_file,
        *("--modelFolder", tiny_bundle, "--device", "cpu", "--folds", "0", "--noFlips"),
        *("--rvInsertion", "-900.0,12.5,3"),
    )
    assert done.returncode == 2
    assert "(-900.0, 12.5, 3.0) mm RAS is outside the image" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_batch_command_says_in_one_line_what_is_wrong(tmp_path, tiny_bundle):
    done = _batch(tmp_path / "gone.nii.gz", "--modelFolder", tiny_bundle)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1 and "gone.nii.gz" in done.stderr
    done = _batch(tmp_path / "gone.nii.gz", "--modelFolder", tiny_bundle, "--rvInsertion", "-1,2")
    assert done.returncode == 2
    assert done.stderr.startswith("anterior RV insertion '-1,2' is no point")
    done = _batch(tmp_path / "gone.nii.gz", "--device", "abacus")
    assert done.returncode == 2


def _script():
    import importlib.util

    spec = importlib.util.spec_from_file_location("CardiacUQSegment", CLI)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "torch is missing; open the module"),
        (OSError(28, "No space left on device", "/x/labels.nrrd"), "/x/labels.nrrd: cannot be"),
        (RuntimeError("two\nlines"), "unexpected RuntimeError: two lines"),
        (MemoryError(), "out of memory"),
    ],
)
def test_whatever_fails_in_the_batch_command_is_one_line(monkeypatch, capsys, tmp_path, error, words):
    script = _script()

    def fail(options):
        raise error

    monkeypatch.setattr(script, "_run", fail)
    assert script.main([str(tmp_path / "a.nii.gz")]) != 0
    out = capsys.readouterr().err
    assert words in out and len(out.splitlines()) == 1 and "Traceback" not in out


def test_an_output_that_cannot_be_written_is_found_before_the_work(phantom_file, tmp_path, capsys):
    script = _script()
    missing = tmp_path / "no folder" / "labels.nrrd"
    assert script.main([str(phantom_file), "--segmentation", str(missing)]) == 2
    assert str(missing) in capsys.readouterr().err


def test_the_measures_of_the_batch_command_hold_intervals_and_segments():
    interval = {"interval": [100.0, 140.0], "level": 0.9, "calibrated": True}
    measures = {
        "headline": "Infarct 18 %",
        "sizes": {
            "lv_mass_g": {"value": 120.0, "unit": "g", **interval},
            "mvo_volume_ml": {"value": None, "unit": "ml", "interval": None},
        },
        "segments": {"segments": [{"name": "1 basal anterior", "segments": [1], "infarct_ml": 0.5}]},
        "volumes_ml": {"infarct": 3.0},
    }
    assert list(_script().measure_rows(measures)) == [
        ["lv_mass_g", 120.0, "g", 100.0, 140.0, "90 %"],
        ["mvo_volume_ml", None, "ml", None, None, ""],
        ["1 basal anterior: infarct_ml", 0.5, "", None, None, ""],
        ["headline", "Infarct 18 %", "", None, None, ""],
        ["volumes_ml.infarct", 3.0, "", None, None, ""],
    ]
