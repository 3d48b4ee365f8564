"""What a reader sees must be the chosen case: shared by the tests of the desk and of an hour of use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import slicer


def case_of_its_own(case_folder: Path, folder: Path) -> Path:
    """A copy of a case folder, with an image of its own."""
    import SimpleITK as sitk

    from CardiacUQLib.base.checksum import sha256_of

    shutil.copytree(case_folder, folder)
    record = json.loads((folder / "case.json").read_text("utf-8"))
    own = folder.with_name(f"{folder.name}_image.nii.gz")
    image = sitk.ReadImage(record["input_path"])
    sitk.WriteImage(image + sum(map(ord, folder.name)), str(own))
    change_record(folder, name=folder.name, input_path=str(own), input_sha256=sha256_of(own))
    return folder


def change_record(folder: Path, **changes: object) -> None:
    """Change ``case.json`` and seal it again."""
    from CardiacUQLib.cases.seal import SEAL, document_seal

    record = json.loads((folder / "case.json").read_text("utf-8")) | changes
    record.pop(SEAL)
    text = json.dumps({**record, SEAL: document_seal(record)})
    (folder / "case.json").write_text(text, "utf-8")


def seen(widget, volume) -> None:
    """What a reader sees is the case of ``volume``, all of it, and of no other."""
    from CardiacUQScene import all_cases
    from CardiacUQScene.legends import legend_of

    chosen = next(nodes for nodes in all_cases() if nodes.volume is volume)
    assert widget.ui.inputSelector.currentNode() is volume
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        assert composite.GetBackgroundVolumeID() == volume.GetID()
        assert composite.GetForegroundVolumeID() in {n.GetID() for n in chosen.maps.values()}
    for nodes in all_cases():
        on = nodes.segmentation is chosen.segmentation
        assert bool(nodes.segmentation.GetDisplayNode().GetVisibility()) is on
        if nodes.corrections is not None:
            assert bool(nodes.corrections.GetDisplayNode().GetVisibility()) is on
        legends = [legend_of(node) for node in nodes.maps.values()]
        assert any(legend.GetVisibility() for legend in legends) is on
    assert widget.ui.measuresTable.mrmlTableNode() is chosen.measures
    session = widget.review.session
    assert session.nodes.segmentation is chosen.segmentation
    assert widget.ui.headlineLabel.text == session.headline()
    assert chosen.measures.GetNumberOfRows() > 5
    regions = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        if node.GetName() == "Region under review"
    ]
    assert len(regions) == (1 if session.index >= 0 or session.review.decisions else 0)
