"""Colours of the scene: classes, corrections, and the one map for every uncertainty."""

from __future__ import annotations

import numpy as np
import slicer

from CardiacUQLib.bundles.manifest import ClassInfo

RGB = tuple[float, float, float]

HEAT_TABLE_NAME = "CardiacUQ uncertainty"
HEAT_COLOURS = 256

_HEAT_HUES = np.array(
    [[18.0, -22.0], [38.0, -42.0], [58.0, -28.0], [68.0, 12.0], [58.0, 48.0], [30.0, 70.0], [-4.0, 62.0]]
)
"""CIELAB a, b along the map: violet, magenta, red, orange, yellow; lightness is added linearly."""

_HEAT_LIGHTNESS = (12.0, 94.0)
_D65 = np.array([0.95047, 1.0, 1.08883])
_XYZ_TO_SRGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)


def rgb(colour: str) -> RGB:
    """ "#RRGGBB" -> three numbers 0..1"""
    red, green, blue = (int(colour[start : start + 2], 16) / 255.0 for start in (1, 3, 5))
    return (red, green, blue)


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


def heat_colours() -> np.ndarray:
    """(256, 3) sRGB, 0..1: lightness rises evenly from dark violet to pale yellow.

    Equal steps of the map are equal steps of CIELAB lightness, so the order also survives colour
    blindness and printing in grey. Colours outside sRGB are clipped.
    """
    position = np.linspace(0.0, 1.0, HEAT_COLOURS)
    knots = np.linspace(0.0, 1.0, len(_HEAT_HUES))
    a, b = (np.interp(position, knots, _HEAT_HUES[:, n]) for n in range(2))
    lightness = np.interp(position, [0.0, 1.0], _HEAT_LIGHTNESS)
    return lab_to_srgb(np.stack([lightness, a, b], axis=-1))


def lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """CIELAB (D65) -> sRGB 0..1, clipped; formulas of CIE 15 and IEC 61966-2-1."""
    y = (lab[..., 0] + 16.0) / 116.0
    f = np.stack([y + lab[..., 1] / 500.0, y, y - lab[..., 2] / 200.0], axis=-1)
    xyz = _D65 * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    linear = np.clip(xyz @ _XYZ_TO_SRGB.T, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


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
    for index, (red, green, blue) in enumerate(heat_colours()):
        table.SetColor(index, f"{index / (HEAT_COLOURS - 1):.3f}", red, green, blue, 1.0)
    table.SetHideFromEditors(False)  # hidden colour nodes are not saved
    table.SetAttribute("CardiacUQ.Role", "heat")
    table = scene.AddNode(table)
    table.AddDefaultStorageNode()
    return table
