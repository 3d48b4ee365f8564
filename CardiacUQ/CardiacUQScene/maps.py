"""Uncertainty maps as volumes in the foreground: fixed scale, threshold, colour legend."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer

from CardiacUQLib.bundles.map_catalogue import MapName, Use, maps_used

from .case_nodes import HEAT_ATTRIBUTE, PART_ATTRIBUTE, CaseNodes, composites
from .colours import heat_table
from .legends import add_scale_legend, show_legend
from .voxels import set_volume_array

DEFAULT_OPACITY = 0.4
DEFAULT_THRESHOLD = 0.1
"""Share of the scale below which tissue counts as certain and shows the image alone."""


@dataclass(frozen=True)
class Scale:
    """The fixed window of a map, never fitted to a case, so that two cases can be compared by eye."""

    lowest: float
    highest: float
    title: str


@dataclass(frozen=True)
class HeatMap:
    """What lies over the image: ``name`` None is nothing; ``threshold`` in the unit of the map."""

    name: MapName | None
    opacity: float
    threshold: float


def scale(name: MapName, classes: int) -> Scale:
    """From 0 to the largest value the map can take with this number of classes."""
    return Scale(0.0, name.info.highest(classes), name.info.title)


def scale_of(nodes: CaseNodes, name: MapName) -> Scale:
    """The scale of a map of this case."""
    return scale(name, len(nodes.classes))


def add_map(
    name: MapName,
    array: np.ndarray,
    classes: int,
    reference: slicer.vtkMRMLScalarVolumeNode,
    matrix: np.ndarray,
    title: str,
) -> slicer.vtkMRMLScalarVolumeNode:
    """A float32 volume of one map (k, j, i of the node), coloured on its scale, with a hidden legend."""
    scene = reference.GetScene()
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", title)
    set_volume_array(volume, np.asarray(array, np.float32), matrix)
    volume.SetAttribute(PART_ATTRIBUTE, "map")  # from the start: it is never a choice for the input
    volume.SetAndObserveTransformNodeID(reference.GetTransformNodeID())
    volume.CreateDefaultDisplayNodes()
    window = scale(name, classes)
    display = volume.GetDisplayNode()
    display.SetAndObserveColorNodeID(heat_table(scene).GetID())
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(window.lowest, window.highest)
    display.SetInterpolate(False)
    display.SetAutoThreshold(0)
    _set_threshold(volume, window, DEFAULT_THRESHOLD * window.highest)
    add_scale_legend(volume, window.title)
    return volume


def heat_map_choices(nodes: CaseNodes) -> tuple[MapName, ...]:
    """The maps that can be shown: first the one that the evaluation of the bundle found best."""
    ranked = maps_used(Use.OFFERED, nodes.maps)
    return tuple(sorted(ranked, key=lambda name: name != nodes.default_map))


def set_heat_map(
    nodes: CaseNodes, name: MapName | None, opacity: float | None = None, threshold: float | None = None
) -> None:
    """Show one map over the image in every slice view, or none; None for a number leaves it as it is.

    Raises KeyError for a map that the case does not have.
    """
    before = heat_map(nodes)
    opacity = before.opacity if opacity is None else min(max(opacity, 0.0), 1.0)
    if name is not None and threshold is not None:
        _set_threshold(nodes.maps[name], scale_of(nodes, name), threshold)
    shown = None if name is None else nodes.maps[name]
    ours = {volume.GetID() for volume in nodes.maps.values()}
    picture = "" if nodes.bullseyes is None else nodes.bullseyes.GetID()
    for composite in composites(nodes.scene):
        if shown is not None and composite.GetBackgroundVolumeID() != picture:
            composite.SetForegroundVolumeID(shown.GetID())
            composite.SetForegroundOpacity(opacity)
        elif composite.GetForegroundVolumeID() in ours:
            composite.SetForegroundVolumeID(None)
            composite.SetForegroundOpacity(0.0)
    for volume in nodes.maps.values():
        show_legend(volume, volume is shown)
    last = name or before.name or _last_shown(nodes)
    state = {"shown": name is not None, "map": None if last is None else last.value, "opacity": opacity}
    nodes.segmentation.SetAttribute(HEAT_ATTRIBUTE, json.dumps(state))


def heat_map(nodes: CaseNodes) -> HeatMap:
    """What :func:`set_heat_map` made of the views last."""
    state = _state(nodes)
    name = MapName(state["map"]) if state["shown"] and state["map"] else None
    if name is None or name not in nodes.maps:
        return HeatMap(None, state["opacity"], 0.0)
    return HeatMap(name, state["opacity"], nodes.maps[name].GetDisplayNode().GetLowerThreshold())


def toggle_heat_map(nodes: CaseNodes) -> None:
    """Off, or on again with the map that was shown last."""
    if heat_map(nodes).name is not None:
        set_heat_map(nodes, None)
    else:
        set_heat_map(nodes, _last_shown(nodes))


def _set_threshold(volume: slicer.vtkMRMLScalarVolumeNode, window: Scale, threshold: float) -> None:
    display = volume.GetDisplayNode()
    display.SetThreshold(max(threshold, 0.0), 2.0 * window.highest)
    display.ApplyThresholdOn()


def _state(nodes: CaseNodes) -> dict[str, Any]:
    text = nodes.segmentation.GetAttribute(HEAT_ATTRIBUTE)
    return json.loads(text) if text else {"shown": False, "map": None, "opacity": DEFAULT_OPACITY}


def _last_shown(nodes: CaseNodes) -> MapName | None:
    last = _state(nodes)["map"]
    if last is not None and MapName(last) in nodes.maps:
        return MapName(last)
    return next(iter(heat_map_choices(nodes)), None)
