"""Slicer's own status of every correction segment: not started, in progress, completed, flagged."""

from __future__ import annotations

from collections.abc import Sequence

import slicer

from CardiacUQLib.review import ItemStatus, ReviewItem

from .case_nodes import CaseNodes, correction_id


def show_transition_status(
    nodes: CaseNodes, items: Sequence[ReviewItem], states: Sequence[ItemStatus]
) -> None:
    """Give every transition the joint status of its regions; ``states`` are those of ``items``."""
    if nodes.corrections is None:
        return
    segmentation = nodes.corrections.GetSegmentation()
    found: dict[str, list[ItemStatus]] = {}
    for item, state in zip(items, states, strict=True):
        if item.was is not None and item.became is not None:
            found.setdefault(correction_id(item.was, item.became), []).append(state)
    for identifier, joined in found.items():
        segment = segmentation.GetSegment(identifier)
        if segment is not None:
            logic = slicer.vtkSlicerSegmentationsModuleLogic
            logic.SetSegmentStatus(segment, getattr(logic, _joint_status(joined).value))


def _joint_status(states: list[ItemStatus]) -> ItemStatus:
    """One flagged region flags the transition; it is complete when every region is decided."""
    if ItemStatus.FLAGGED in states:
        return ItemStatus.FLAGGED
    kinds = set(states)
    return kinds.pop() if len(kinds) == 1 else ItemStatus.IN_PROGRESS
