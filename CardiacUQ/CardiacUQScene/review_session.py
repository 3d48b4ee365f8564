"""The review of a case in the scene: jumps, outlines, and segments that follow every decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bullseye.picture import bullseyes_picture
from CardiacUQLib.cases.casefolder import CaseFolder
from CardiacUQLib.inference.result import Result
from CardiacUQLib.review import (
    ELSEWHERE,
    CaseMaps,
    Decision,
    Event,
    ItemKind,
    ItemStatus,
    Progress,
    Review,
    ReviewItem,
    corrected_measures,
    corrected_sizes,
    export_reviewed,
    labels_after,
    parse_record,
)

from .bullseyes import fill_bullseyes
from .case_nodes import REVIEW_ATTRIBUTE, CaseNodes, correction_id
from .grid import ijk_to_ras
from .region_outline import RegionOutline
from .segmentations import restore_missing_segments
from .show import matching_order
from .tables import fill_measures
from .views import jump_to
from .voxels import has_overlaps, labels_of, volume_array, write_all, write_changes


@dataclass(frozen=True)
class SegmentCount:
    """Measures with the point that their segments are counted from, and their bull's-eyes.

    ``insertion_ras`` None is 12 o'clock of the image; ``measures`` is the content of ``measures.json``,
    empty for those of the case; ``picture`` is uint8 (rows, columns, RGB).
    """

    insertion_ras: tuple[float, float, float] | None = None
    measures: Mapping[str, Any] = field(default_factory=dict)
    picture: np.ndarray | None = None


class ReviewSession:
    """Binds a :class:`Review` to the nodes of the same case.

    Whatever someone paints in the segmentation node is taken as an edit by hand before the next
    decision, move or undo, so nothing painted is lost and everything can be undone.
    """

    def __init__(
        self,
        nodes: CaseNodes,
        case: CaseMaps | CaseFolder | Result,
        reviewer: str = "",
        *,
        move_views: bool = True,
    ) -> None:
        """Begin or resume; the segments are brought to the state of the review.

        Raises :class:`InputError` if the case or its ``review.json`` does not belong to the nodes.
        """
        self.nodes = nodes
        self.on_change: list[Callable[[], None]] = []
        self._case = CaseMaps.of(case)
        self._order = matching_order(self._case, nodes.volume)
        self._move_views = move_views
        self.index = ELSEWHERE
        text = nodes.segmentation.GetAttribute(REVIEW_ATTRIBUTE)
        saved = parse_record(text, f"review in the scene ({nodes.segmentation.GetName()})") if text else None
        self._review = Review(self._case, reviewer, record=saved)
        self._region = RegionOutline(nodes)
        self._headline = ""
        self._counted = SegmentCount()
        self._resume(saved.events if saved else ())

    # -- the queue

    @property
    def items(self) -> tuple[ReviewItem, ...]:
        """The stops of the review, the most urgent first."""
        return self._review.items

    @property
    def item(self) -> ReviewItem | None:
        """The current stop, None before the first."""
        return None if self.index == ELSEWHERE else self.items[self.index]

    def next(self) -> bool:
        """Go to the next stop; False at the end of the queue."""
        return self.jump(self.index + 1)

    def previous(self) -> bool:
        """Go to the stop before; False at the beginning."""
        return self.jump(self.index - 1)

    def next_open(self) -> bool:
        """Go to the next undecided stop, from the beginning again if need be; False if all are decided."""
        count = len(self.items)
        for step in range(1, count + 1):
            index = (self.index + step) % count
            if self._review.status(index) == ItemStatus.NOT_STARTED:
                return self.jump(index)
        return False

    def jump(self, index: int) -> bool:
        """Centre the views on stop ``index`` and outline it; False if there is no such stop."""
        if not 0 <= index < len(self.items):
            return False
        self._take_painting()
        self.index = index
        self._outline()
        if self._move_views:
            jump_to(self.nodes, self.items[index].centre_ras)
        self._changed()
        return True

    # -- decisions

    def keep(self) -> Decision:
        """The final label stands; raises UsageError before the first stop, like all decisions."""
        return self._decide(lambda: self._review.keep(self._here()))

    def take_2d(self) -> Decision:
        """The 2D label replaces the final one in this region."""
        return self._decide(lambda: self._review.take_2d(self._here()))

    def assign(self, label: int) -> Decision:
        """The region becomes ``label``."""
        return self._decide(lambda: self._review.assign(self._here(), label))

    def flag(self, note: str = "") -> Decision:
        """Someone else shall look at it."""
        return self._decide(lambda: self._review.flag(self._here(), note))

    def edited(self) -> Decision:
        """Painting of this region is finished."""
        decision = self._review.edited(self._here(), self._painted())
        self._settle()
        self._renew_sizes()
        self._changed()
        return decision

    def undo(self) -> bool:
        """Take the latest decision back and go to where it was made; False if there is none."""
        return self._step(self._review.undo)

    def redo(self) -> bool:
        """Bring an undone decision back and go to where it was made; False if there is none."""
        return self._step(self._review.redo)

    @property
    def can_undo(self) -> bool:
        """True if a decision is in force."""
        return self._review.can_undo

    @property
    def can_redo(self) -> bool:
        """True right after an undo."""
        return self._review.can_redo

    # -- words and numbers

    @property
    def review(self) -> Review:
        """The plain review behind the session."""
        return self._review

    def status(self, index: int) -> ItemStatus:
        """Status of a stop; the current one is in progress until it is decided."""
        status = self._review.status(index)
        here = index == self.index and status == ItemStatus.NOT_STARTED
        return ItemStatus.IN_PROGRESS if here else status

    @property
    def opinions(self) -> tuple[str, str]:
        """What the first and the final opinion of this case are called, such as "2D" and "3D"."""
        return self._case.kind.opinions

    def card_text(self) -> str:
        """The line about the current stop, or what the queue holds before the first."""
        if self.index != ELSEWHERE:
            return self._review.card_text(self.index)
        count = len(self.items)
        if not count:
            return "nothing to look at"
        what = "region" if self.items[0].kind is ItemKind.COMPONENT else "slice"
        return f"{count} {what}{'' if count == 1 else 's'} {'needs' if count == 1 else 'need'} a look"

    def progress(self) -> Progress:
        """Counts over the queue."""
        return self._review.progress()

    def progress_text(self) -> str:
        """ "done, 5 decisions, 1 flagged" """
        return self.progress().as_text()

    def headline(self) -> str:
        """The one line a clinician reads first, for the labels as they stand."""
        return self._headline

    def export(self, folder: Path) -> Path:
        """Write the reviewed case as a training case below ``folder``; see :func:`export_reviewed`."""
        self._take_painting()
        self.refresh_measures()
        return export_reviewed(self._review, Path(folder), self._input_image())

    def refresh_measures(self) -> None:
        """All measures of the corrected labels into the table; decisions only renew the sizes, for speed."""
        try:
            measures = corrected_measures(self._review, self._counted.insertion_ras)
        except UsageError:  # an edit has moved the heart away from the point
            measures = corrected_measures(self._review)
        fill_measures(self.nodes.measures, measures)

    def counted_from(self, insertion_ras: tuple[float, float, float] | None) -> SegmentCount:
        """Measures with AHA segments from the anterior insertion of the right ventricle, RAS in mm on the
        grid of the volume, or as they were computed for None.

        Changes nothing and touches no node, so it may run in a thread. Raises :class:`UsageError` for a
        point that is not beside the left ventricle.
        """
        measures = corrected_measures(self._review, insertion_ras)
        return SegmentCount(insertion_ras, measures, bullseyes_picture(measures, len(self.nodes.classes)))

    def take_count(self, count: SegmentCount) -> None:
        """Let table and bull's-eyes show it, until it is counted from another point."""
        self._counted = count
        fill_measures(self.nodes.measures, count.measures)
        if count.picture is not None and self.nodes.bullseyes is not None:
            fill_bullseyes(self.nodes.bullseyes, count.picture)

    def close(self) -> None:
        """Store what was painted last and take the outline of the region out of the scene.

        Nothing is left to do if the scene has been closed; every decision is on disk already.
        """
        if self.nodes.scene is not None:
            self._take_painting()
            self.refresh_measures()
        self._region.remove()
        self._review.release()

    # -- keeping review and scene together

    def _here(self) -> int:
        if self.index == ELSEWHERE:
            raise UsageError("no region is chosen yet; go to the first one")
        return self.index

    def _decide(self, decide: Callable[[], Decision]) -> Decision:
        self._here()
        self._take_painting()
        before = self._review.labels
        decision = decide()
        self._follow(before)
        return decision

    def _step(self, step: Callable[[], Decision | None]) -> bool:
        self._take_painting()
        before = self._review.labels
        decision = step()
        if decision is None:
            return False
        target = self._review.index_of(decision.item)
        if target != ELSEWHERE and target != self.index:
            self.index = target
            self._outline()
            if self._move_views:
                jump_to(self.nodes, self.items[target].centre_ras)
        self._follow(before)
        return True

    def _follow(self, before: np.ndarray) -> None:
        """Bring the nodes from ``before`` to the labels of the review."""
        turn = self._order.from_stored
        restore_missing_segments(self.nodes.segmentation, self.nodes.classes)
        write_changes(
            self.nodes.segmentation,
            self.nodes.segments,
            turn(before),
            turn(self._review.labels),
            ijk_to_ras(self.nodes.volume),
        )
        self._renew_sizes()
        self._changed()

    def _renew_sizes(self) -> None:
        sizes = corrected_sizes(self._review)
        self._headline = str(sizes["headline"])
        counted = self._counted.measures
        if "segments" in sizes and counted:  # the labels are the networks' again, and so are their segments
            sizes = {**sizes, "segments": counted["segments"], "notes": counted["notes"]}
        fill_measures(self.nodes.measures, sizes)

    def _changed(self) -> None:
        self.nodes.segmentation.SetAttribute(REVIEW_ATTRIBUTE, self._review.record.to_text())
        self._show_status()
        for call in tuple(self.on_change):
            call()

    def _painted(self, reviewed: np.ndarray | None = None) -> np.ndarray:
        """The segments as they are in the node, in stored order."""
        reviewed = self._order.from_stored(self._review.labels if reviewed is None else reviewed)
        nodes = self.nodes
        return self._order.to_stored(labels_of(nodes.segmentation, nodes.segments, nodes.volume, reviewed))

    def _take_painting(self) -> None:
        painted = self._painted()
        if np.array_equal(painted, self._review.labels):
            return
        self._review.edited(self.index, painted)
        self._settle()
        self._renew_sizes()

    def _settle(self) -> None:
        """One label per voxel again, and no class without its segment, whatever was done by hand."""
        nodes, labels = self.nodes, self._order.from_stored(self._review.labels)
        restored = restore_missing_segments(nodes.segmentation, nodes.classes)
        if restored or has_overlaps(nodes.segmentation, nodes.segments, labels, nodes.volume):
            write_all(nodes.segmentation, nodes.segments, labels, ijk_to_ras(nodes.volume))

    def _resume(self, seen: tuple[Event, ...]) -> None:
        """The scene may be older than ``review.json``, and may hold painting that was never decided on."""
        earlier = labels_after(self._case.segmentation, seen)
        painted = self._painted(earlier)
        by_hand = painted != earlier
        self._follow(painted)
        if by_hand.any():
            before = self._review.labels
            self._review.edited(ELSEWHERE, np.where(by_hand, painted, before))
            self._follow(before)

    def _outline(self) -> None:
        """Show which region is meant; a slice needs no outline."""
        slice_only = self.items[self.index].kind is ItemKind.SLICE
        self._region.show(None if slice_only else self._order.from_stored(self._review.mask(self.index)))

    def _show_status(self) -> None:
        """Status of every transition: flagged or completed when all its regions are decided."""
        if self.nodes.corrections is None:
            return
        segmentation = self.nodes.corrections.GetSegmentation()
        states: dict[str, list[ItemStatus]] = {}
        for index, item in enumerate(self.items):
            if item.was is not None and item.became is not None:
                states.setdefault(correction_id(item.was, item.became), []).append(self.status(index))
        for identifier, found in states.items():
            segment = segmentation.GetSegment(identifier)
            if segment is not None:
                logic = slicer.vtkSlicerSegmentationsModuleLogic
                logic.SetSegmentStatus(segment, getattr(logic, _joint_status(found).value))

    def _input_image(self) -> sitk.Image | None:
        """The image from the node where its file is gone or was a DICOM series."""
        path = self._case.input_path
        if path is not None and path.is_file():
            return None
        image = sitk.GetImageFromArray(self._order.to_stored(volume_array(self.nodes.volume)))
        geometry = self._case.geometry
        image.SetSpacing(geometry.spacing)
        image.SetOrigin(geometry.origin)
        image.SetDirection(geometry.direction)
        return image


def _joint_status(states: list[ItemStatus]) -> ItemStatus:
    """One flagged region flags the transition; it is complete when every region is decided."""
    if ItemStatus.FLAGGED in states:
        return ItemStatus.FLAGGED
    kinds = set(states)
    return kinds.pop() if len(kinds) == 1 else ItemStatus.IN_PROGRESS
