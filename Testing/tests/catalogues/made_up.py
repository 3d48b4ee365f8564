"""Run in a copy of the packages that holds a made-up map, size and data set: says where each is found.

Every line of the output is "where: yes" or "where: no". Arguments: folder for output, folder of a bundle.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import numpy as np


def main(out: Path, bundle_folder: Path) -> None:
    """A phantom from the scan to case folder, report, DICOM content and evaluation."""
    from CardiacUQLib.bundles.bundle import load_bundle
    from CardiacUQLib.bundles.classes import LGE_CLASSES
    from CardiacUQLib.bundles.map_catalogue import MapName, check_maps
    from CardiacUQLib.cases.casefolder import read_case
    from CardiacUQLib.cases.writing import write_case
    from CardiacUQLib.dicom.codes import MEASURES
    from CardiacUQLib.dicom.content import content_of
    from CardiacUQLib.inference.segment import segment
    from CardiacUQLib.measures.size_catalogue import check_sizes
    from CardiacUQLib.phantom import as_volume, lge_phantom
    from CardiacUQLib.report import render_report
    from CardiacUQLib.review import CaseMaps
    from CardiacUQTraining.cohort.features import case_uncertainty, flat_measures
    from CardiacUQTraining.cohort.page import titles
    from CardiacUQTraining.datasets import open_dataset
    from CardiacUQTraining.datasets.catalogue import check_datasets, dataset_help
    from CardiacUQTraining.evaluation.shared.agreement import ClassVolumes, scan_record
    from CardiacUQTraining.evaluation.shared.stored_metrics import section_title

    check_maps()
    check_sizes()
    check_datasets()
    bundle = load_bundle(bundle_folder)
    result = segment(as_volume(lge_phantom(0)), bundle, device="cpu", folds=[0])
    case = read_case(write_case(result, out))
    page = render_report(case)
    name, size = MapName("made_up"), "made_up_ml"
    tell("map in case folder", name in case.maps)
    tell("map in review and scene", name in CaseMaps.of(case).maps)
    tell("map as column of the report", ">Made-up</h3>" in page and "made-up doubt" in page)
    content = content_of(case)
    tell("map as DICOM object", name in content.maps and name.info.dicom is not None)
    tell("map in cohort", "mean_made_up" in case_uncertainty(result) and "mean_made_up" in titles())
    tell("size in measures", case.measures["sizes"][size]["value"] is not None)
    tell("size with interval", case.measures["sizes"][size]["interval"] is not None)
    tell("size in report", "Made-up volume" in page)
    tell("size as DICOM measurement", MEASURES[size].value == "MADEVOL")
    tell("size in cohort", size in flat_measures(case.measures) and size in titles())
    volumes = ClassVolumes("a", *np.ones((2, len(LGE_CLASSES))), np.ones((2, len(LGE_CLASSES))))
    tell("size in evaluation", size in scan_record(volumes, LGE_CLASSES).reference)
    tell("data set in help", "invented" in dataset_help() and "invented" in help_of("train"))
    tell("data set opened", open_dataset("invented", out).name == "invented")
    tell("data set on model card", section_title("invented", cross_validated=False).startswith("Made up"))
    tell("data set in export", licence_of("invented") == ("made-up licence", "made-up citation"))
    tell("map in evaluation of cascades", in_evaluation(bundle_folder, out / "evaluation", "Made-up"))
    tell("map in the selector of Slicer", "made-up doubt of the test" in selector_words())


def tell(where: str, found: bool) -> None:
    """One line."""
    print(f"{where}: {'yes' if found else 'no'}", flush=True)


def help_of(command: str) -> str:
    """Help of a subcommand."""
    from CardiacUQTraining.cli.app import main as cardiacuq

    with contextlib.redirect_stdout(io.StringIO()) as text:
        cardiacuq([command, "--help"])
    return text.getvalue()


def licence_of(dataset: str) -> tuple[str, str]:
    """What an export would write of a run on this data set."""
    from CardiacUQTraining.export import bundle
    from CardiacUQTraining.training.warm_start import DATASET

    return bundle.origins({DATASET: dataset})[0]


def in_evaluation(bundle: Path, out: Path, title: str) -> bool:
    """A row of the table of methods on one phantom."""
    from CardiacUQTraining.cli.app import main as cardiacuq

    arguments = ["evaluate", "--model", str(bundle), "--dataset", "phantom", "--limit", "1"]
    arguments += ["--folds", "0", "--no-tta", "--methods", "scs", "--device", "cpu", "-q", "-o", str(out)]
    assert cardiacuq(arguments) == 0
    return title in (out / "evaluation.md").read_text("utf-8")


def selector_words() -> list[str]:
    """The entries of the selector."""
    from host import application

    running = application.start(Path(sys.argv[1]) / "host")
    from CardiacUQWidgets.parameters import HeatMapChoice

    words = [choice.label() for choice in HeatMapChoice]
    running.stop()
    return words


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
