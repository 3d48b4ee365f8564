"""Colours of the scene: classes, corrections, and the one map for every uncertainty."""

from __future__ import annotations

import numpy as np
import slicer

from CardiacUQLib.bundles.colours import heat_colours
from CardiacUQLib.bundles.colours import rgb as bytes_of
from CardiacUQLib.bundles.manifest import ClassInfo

RGB = tuple[float, float, float]

HEAT_TABLE_NAME = "CardiacUQ uncertainty"
HEAT_COLOURS = 256


def rgb(colour: str) -> RGB:
    """ "#RRGGBB" -> three numbers 0..1"""
    red, green, blue = bytes_of(colour)
    return (red / 255.0, green / 255.0, blue / 255.0)


def terminology(info: ClassInfo) -> str:
    """The class as Slicer's terminology entry: seven parts joined by "~", empty codes "^^"."""
    category = ("SCT", "123037004", "Anatomical Structure")
    if info.name.lower() in ("infarct", "mvo"):
        category = ("SCT", "49755003", "Morphologically Altered Structure")
    code = (info.code.scheme, info.code.value, info.code.meaning)
    region = ("SCT", "80891009", "Heart")
    parts = [
        ("CardiacUQ",),
        category,
        code,
        _NO_CODE,
        ("Anatomic codes - DICOM master list",),
        region,
        _NO_CODE,
    ]
    return "~".join("^".join(part) for part in parts)


_NO_CODE = ("", "", "")


def heat_table(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLColorTableNode:
    """The colour table of all uncertainty maps: one per scene, made when first asked for."""
    nodes = scene.GetNodesByClass("vtkMRMLColorTableNode")
    nodes.UnRegister(None)
    for index in range(nodes.GetNumberOfItems()):
        if nodes.GetItemAsObject(index).GetAttribute("CardiacUQ.Role") == "heat":
            return nodes.GetItemAsObject(index)
    table = slicer.vtkMRMLColorTableNode()
    table.SetTypeToUser()
    table.SetName(HEAT_TABLE_NAME)
    table.SetNumberOfColors(HEAT_COLOURS)
    colours = heat_colours(np.linspace(0.0, 1.0, HEAT_COLOURS)) / 255.0
    for index, (red, green, blue) in enumerate(colours.tolist()):
        table.SetColor(index, f"{index / (HEAT_COLOURS - 1):.3f}", red, green, blue, 1.0)
    table.SetHideFromEditors(False)  # hidden colour nodes are not saved
    table.SetAttribute("CardiacUQ.Role", "heat")
    table = scene.AddNode(table)
    table.AddDefaultStorageNode()
    return table
