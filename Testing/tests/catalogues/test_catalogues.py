"""Catalogues: a new map, size or data set is written in one place, and found everywhere from there."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from CardiacUQLib.bundles.map_catalogue import MapName, Use, check_map, check_maps, maps_used, plain_first
from CardiacUQLib.measures.size_catalogue import SIZES, check_sizes
from CardiacUQTraining.cohort import histogram, page
from CardiacUQTraining.datasets.catalogue import DATASETS, check_datasets
from CardiacUQTraining.evaluation.lge import headline, sizes

REPOSITORY = Path(__file__).resolve().parents[3]
PACKAGES = (
    *(REPOSITORY / "CardiacUQ" / name for name in ("CardiacUQLib", "CardiacUQScene", "CardiacUQWidgets")),
    REPOSITORY / "CardiacUQTraining",
)
MAP = """    MADE_UP = "made_up", MapInfo(
        "Made-up",
        "made-up doubt of the test",
        "made-up doubt",
        _one,
        use=Use.REPORTED,
        dicom=DicomMap(private("MADEUP", "Made-up doubt"), series=9),
    )
    VARIANCE_2D ="""
SIZE = '''    SizeInfo(
        "made_up_ml",
        "Made-up volume",
        private("MADEVOL", "Made-up volume"),
        _LGE,
        lambda at: at.wall - at.known("infarct"),
        needs=("infarct",),
    ),
)
"""In the order'''
DATASET = """    DatasetInfo(
        "invented", "Made up", "any", LGE_CLASSES, "made-up licence", "made-up citation", read_made_up
    ),
)


def dataset_info"""
READER = """from CardiacUQLib.bundles.classes import LGE_CLASSES

from .case import LabelledDataset


def read_made_up(source):
    return LabelledDataset("invented", LGE_CLASSES, ())
"""
Edit = tuple[str, str]
"""Text that is replaced, and by what; a new file begins with nothing."""
EDITS: dict[str, dict[str, tuple[Edit, ...]]] = {
    "map": {
        "CardiacUQLib/bundles/map_catalogue.py": (("    VARIANCE_2D =", MAP),),
        "CardiacUQLib/inference/accumulators.py": (
            ("{MapName.SCS: self.scs} |", "{MapName.SCS: self.scs, MapName.MADE_UP: self.scs} |"),
        ),
    },
    "size": {"CardiacUQLib/measures/size_catalogue.py": ((')\n"""In the order', SIZE),)},
    "data set": {
        "CardiacUQTraining/datasets/catalogue.py": (
            (")\n\n\ndef dataset_info", DATASET),
            ("import LabelledDataset\n", "import LabelledDataset\nfrom .made_up import read_made_up\n"),
        ),
        "CardiacUQTraining/datasets/made_up.py": (("", READER),),
    },
}
"""By what is new, the files to touch."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> dict[str, str]:
    """Where the made-up entries were found, by place, in a copy of the packages."""
    root = tmp_path_factory.mktemp("made-up")
    for package in PACKAGES:
        shutil.copytree(package, root / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "CardiacUQ" / "Resources", root / "Resources")
    for files in EDITS.values():
        for file, edits in files.items():
            path = root / file
            text = path.read_text("utf-8") if path.exists() else ""
            for old, new in edits:
                assert text.count(old) == 1 or not text, f"{file}: {old}"
                text = text.replace(old, new) if text else new
            path.write_text(text, "utf-8")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("made_up.py")), str(root / "out"), str(tiny_bundle)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(root), str(REPOSITORY / "Testing")]),
            "QT_QPA_PLATFORM": "offscreen",
        },
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(line.split(": ") for line in done.stdout.splitlines() if line.endswith((": yes", ": no")))


@pytest.mark.timeout(600)
def test_a_made_up_map_size_and_data_set_are_found_everywhere(found: dict[str, str]) -> None:
    assert len(found) == 17
    assert [where for where, answer in found.items() if answer == "no"] == []


def test_a_new_entry_touches_two_files_at_most() -> None:
    assert {what: len(files) for what, files in EDITS.items()} == {"map": 2, "size": 1, "data set": 2}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"title": ""}, "map scs: title"),
        ({"highest": lambda classes: 0.0}, "map scs: its highest value"),
        ({"use": Use.OFFERED}, "map scs: a reported map"),
        ({"kinds": frozenset()}, "map scs: title"),
    ],
)
def test_a_wrong_map_is_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_map("scs", dataclasses.replace(MapName.SCS.info, **wrong))


def test_two_maps_of_one_title_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    entropy = MapName.ENTROPY.info
    monkeypatch.setattr(MapName.VARIANCE, "info", dataclasses.replace(entropy, name="another"))
    with pytest.raises(ValueError, match="map variance: 'Entropy' is that of entropy"):
        check_maps()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "size lv_volume_ml: there are two"),
        ({"key": "lv_length", "label": "LV length"}, "size lv_length: it needs a label"),
        ({"key": "x_ml", "label": "X", "same_as": ("none_ml", 1.0)}, "size x_ml: none_ml must stand before"),
        ({"key": "x_ml", "label": "X", "formula": lambda at: 1.0}, "size x_ml: its formula"),
    ],
)
def test_a_wrong_or_double_size_is_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_sizes((*SIZES, dataclasses.replace(SIZES[0], **wrong)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({}, "data set emidec: there are two"), ({"key": "new", "licence": ""}, "data set new: one of title")],
)
def test_a_wrong_or_double_data_set_is_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_datasets((*DATASETS, dataclasses.replace(DATASETS[0], **wrong)))


def test_calibrated_maps_come_first_and_plain_ones_keep_their_rank() -> None:
    offered = maps_used(Use.OFFERED)
    assert offered[0] is MapName.ERROR_PROBABILITY
    assert MapName.MUTUAL_INFORMATION in offered and MapName.MAX_PROBABILITY not in offered
    assert plain_first(offered) == (*offered[1:], offered[0])
    assert maps_used(Use.OFFERED, [MapName.ENTROPY, MapName.SIGMA_0, MapName.SCS]) == (
        MapName.SCS,
        MapName.ENTROPY,
    )


def test_what_is_picked_out_is_in_the_catalogue() -> None:
    known = {info.key for info in SIZES}
    picked = {*page.MAIN_SIZES, *sizes.SHOWN_SIZES, *headline.CARD_SIZES, *headline.LESIONS}
    picked |= {key for key in histogram.PREFERRED if key.endswith(("_ml", "_g", "_percent"))}
    assert picked <= known
