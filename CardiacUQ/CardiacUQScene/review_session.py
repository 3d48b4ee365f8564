"""The review of a case in the scene: jumps, outlines, and segments that follow every decision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from CardiacUQLib.base.errors import InputError, UsageError
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
    ReviewRecord,
    export_reviewed,
    labels_after,
    parse_record,
)

from .case_nodes import REVIEW_ATTRIBUTE, CaseNodes
from .grid import ijk_to_ras
from .region_outline import RegionOutline
from .segmentations import restore_missing_segments
from .session_measures import Point, SegmentCount, SessionMeasures
from .show import matching_order
from .transition_status import show_transition_status
from .views import jump_to
from .visible import is_out_of_place
from .voxels import has_overlaps, labels_of, volume_array, write_all, write_changes

if TYPE_CHECKING:
    import SimpleITK as sitk


def saved_record(nodes: CaseNodes) -> ReviewRecord | None:
    """The review that a saved scene holds for a case; raises InputError if it is damaged."""
    text = nodes.segmentation.GetAttribute(REVIEW_ATTRIBUTE)
    where = f"review in the scene ({nodes.segmentation.GetName()})"
    return parse_record(text, where) if text else None


class ReviewSession:
    """Binds a :class:`Review` to the nodes of the same case.

    Whatever someone paints in the segmentation node is taken as an edit by hand before the next
    decision, move or undo, so nothing painted is lost and everything can be undone. Nothing is taken
    while the volume has another grid than the case (:func:`is_out_of_place`).
    """

    def __init__(
        self,
        nodes: CaseNodes,
        case: Review | CaseMaps | CaseFolder | Result,
        reviewer: str = "",
        *,
        move_views: bool = True,
    ) -> None:
        """Begin or resume; the segments are brought to the state of the review.

        A :class:`Review` is one that was made in a thread, with :func:`saved_record`, to save time here.
        Raises :class:`InputError` if the case or its ``review.json`` does not belong to the nodes.
        """
        self.nodes = nodes
        self.on_change: list[Callable[[], None]] = []
        saved = saved_record(nodes)
        begun = case if isinstance(case, Review) else Review(CaseMaps.of(case), reviewer, record=saved)
        self._review, self._case = begun, begun.case
        self._order = matching_order(self._case, nodes.volume)
        self._move_views = move_views
        self.index = ELSEWHERE
        self._region = RegionOutline(nodes)
        self.measures = SessionMeasures(self._review)
        self._resume(saved.events if saved else ())

    def rebind(self, nodes: CaseNodes) -> None:
        """Go on with the same case after some of its nodes were deleted."""
        self.nodes = nodes

    def follow_transform(self) -> None:
        """The volume has been put under another transform, and the case with it."""
        self._region.follow_transform()

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
        """Go to the next open stop worth a look, from the beginning again if need be; False without one."""
        count = self._review.listed
        here = self.index if self.index < count else ELSEWHERE
        for step in range(1, count + 1):
            index = (here + step) % count
            if self._review.status(index) == ItemStatus.NOT_STARTED:
                return self.jump(index)
        return False

    def jump(self, index: int) -> bool:
        """Centre the views on stop ``index`` and outline it; False if there is no such stop."""
        if not 0 <= index < len(self.items):
            return False
        self.take_painting()
        self.index = index
        self._outline()
        if self._move_views:
            jump_to(self.nodes, self.items[index].centre_ras)
        self.changed()
        return True

    # -- decisions

    def keep(self) -> Decision:
        """What is seen stands: the final label, or what was painted since the last decision.

        Raises UsageError before the first stop, like all decisions, and InputError for a moved volume.
        """
        self._here()
        painted = self.take_painting()
        if painted is None:
            return self._decide(lambda: self._review.keep(self._here()))
        self.changed()
        return painted

    def take_2d(self) -> Decision:
        """The 2D label replaces the final one in this region."""
        return self._decide(lambda: self._review.take_2d(self._here()))

    def assign(self, label: int) -> Decision:
        """The region becomes ``label``."""
        return self._decide(lambda: self._review.assign(self._here(), label))

    def accept(self) -> Decision:
        """What the region proposes is there: its outline becomes the proposed label."""
        return self._decide(lambda: self._review.accept(self._here()))

    def flag(self, note: str = "") -> Decision:
        """Someone else shall look at it."""
        return self._decide(lambda: self._review.flag(self._here(), note))

    def edited(self) -> Decision:
        """Painting of this region is finished, whether anything was painted or not."""
        self._check_place()
        decision = self._review.edited(self._here(), self._painted())
        self._settle()
        self.changed()
        return decision

    def take_painting(self) -> Decision | None:
        """What has been painted since the last decision, as an edit of the current stop, or of none before
        the first; None if nothing was."""
        if is_out_of_place(self.nodes):
            return None
        painted = self._painted()
        if np.array_equal(painted, self._review.labels):
            return None
        decision = self._review.edited(self.index, painted)
        self._settle()
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
        count = self._review.listed
        if not count:
            return "nothing to look at"
        what = "slice" if self.items[0].kind is ItemKind.SLICE else "region"
        return f"{count} {what}{'' if count == 1 else 's'} {'needs' if count == 1 else 'need'} a look"

    def progress(self) -> Progress:
        """Counts over the queue."""
        return self._review.progress()

    def progress_text(self) -> str:
        """ "done, 5 decisions, 1 flagged" """
        return self.progress().as_text()

    def headline(self) -> str:
        """The one line a clinician reads first, for the labels as they stand."""
        return self.measures.headline

    def export(self, folder: Path) -> Path:
        """Write the reviewed case as a training case below ``folder``; see :func:`export_reviewed`."""
        self.take_painting()
        self.refresh_measures()
        return export_reviewed(self._review, Path(folder), self._input_image())

    def refresh_measures(self) -> None:
        """All measures of the corrected labels into the table; decisions only renew the sizes, for speed."""
        self.measures.renew(self.nodes)

    def counted_from(self, insertion_ras: Point | None) -> SegmentCount:
        """Measures with AHA segments from the anterior insertion of the right ventricle, RAS in mm on the
        grid of the volume, or as they were computed for None.

        Changes nothing and touches no node, so it may run in a thread. Raises :class:`UsageError` for a
        point that is not beside the left ventricle.
        """
        return self.measures.counted_from(insertion_ras)

    def take_count(self, count: SegmentCount) -> None:
        """Let table and bull's-eyes show it, until it is counted from another point."""
        self.measures.take_count(count, self.nodes)

    def close(self) -> None:
        """Store what was painted last and take the outline of the region out of the scene.

        Nothing is left to do if the scene has been closed; every decision is on disk already.
        """
        if self.nodes.scene is not None and self.nodes.volume.GetScene() is not None:
            self.take_painting()
        self._region.remove()
        self._review.release()

    # -- keeping review and scene together

    def _here(self) -> int:
        if self.index == ELSEWHERE:
            raise UsageError("no region is chosen yet; go to the first one")
        return self.index

    def _check_place(self) -> None:
        if is_out_of_place(self.nodes):
            problem = "the volume was moved or resampled since it was segmented"
            raise InputError(self.nodes.volume.GetName(), problem, "undo that, or segment it again")

    def _decide(self, decide: Callable[[], Decision]) -> Decision:
        self._here()
        self._check_place()
        self.take_painting()
        before = self._review.labels
        decision = decide()
        self._follow(before)
        return decision

    def _step(self, step: Callable[[], Decision | None]) -> bool:
        self._check_place()
        self.take_painting()
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
        self.changed()

    def changed(self) -> None:
        """Bring headline, table and tint up to date, tell everyone, and keep the record in the scene."""
        self.nodes.segmentation.SetAttribute(REVIEW_ATTRIBUTE, self._review.record.to_text())
        self.measures.renew_sizes(self.nodes)
        states = [self.status(index) for index in range(len(self.items))]
        show_transition_status(self.nodes, self.items, states)
        self._tint()
        for call in tuple(self.on_change):
            call()

    def _painted(self, reviewed: np.ndarray | None = None) -> np.ndarray:
        """The segments as they are in the node, in stored order."""
        reviewed = self._order.from_stored(self._review.labels if reviewed is None else reviewed)
        nodes = self.nodes
        return self._order.to_stored(labels_of(nodes.segmentation, nodes.segments, nodes.volume, reviewed))

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

    def _tint(self) -> None:
        """Show with a weak fill what has been decided: voxels of decided regions, in their class's colour."""
        regions = self._review.regions
        if regions is None:
            return
        states = [self._review.status(index) for index in range(len(self.items))]
        decided = np.array([False, *(state == ItemStatus.COMPLETED for state in states)])[regions]
        turn, labels = self._order.from_stored, self._review.labels
        self._region.tint(turn(decided), turn(labels), self.nodes.classes)

    def _input_image(self) -> sitk.Image | None:
        """The image from the node where its file is gone or was a DICOM series."""
        import SimpleITK as sitk  # only here: importing it takes a third of a second

        path = self._case.input_path
        if path is not None and path.is_file():
            return None
        image = sitk.GetImageFromArray(self._order.to_stored(volume_array(self.nodes.volume)))
        geometry = self._case.geometry
        image.SetSpacing(geometry.spacing)
        image.SetOrigin(geometry.origin)
        image.SetDirection(geometry.direction)
        return image
