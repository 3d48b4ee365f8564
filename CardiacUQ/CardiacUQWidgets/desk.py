"""The one case on the reader's desk: the chosen volume decides what is seen, reviewed and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.review import CaseMaps
from CardiacUQScene import (
    CaseNodes,
    ReviewSession,
    align_views_to,
    find_case,
    follow_transform,
    insertion_ras,
    is_out_of_place,
    show_heart,
    show_only,
)

from . import case_opening, questions
from .case_opening import Opened
from .display_panel import DisplayPanel
from .film_panel import OpenedStudy, open_study
from .publishing import Publisher
from .result_panel import ResultPanel
from .review_panel import ReviewPanel
from .stepping import Stepper, Steps, run_through


class Desk:
    """Brings volume, case, review and words together.

    ``say`` shows a line, ``guarded`` turns an expected failure into one. ``choose_volume(volume)`` makes a
    volume the chosen one, ``presented(nodes)`` is called with whatever is looked at now, None for no case.
    While ``loading``, volumes come and go that nobody has chosen.
    """

    def __init__(
        self,
        ui: SimpleNamespace,
        review: ReviewPanel,
        display: DisplayPanel,
        say: Callable[..., None],
        guarded: Callable[[Callable[[], object]], object],
    ) -> None:
        self.ui = ui
        self.review, self.display = review, display
        self.volume: slicer.vtkMRMLScalarVolumeNode | None = None
        self.nodes: CaseNodes | None = None
        self.choose_volume: Callable[[Any], object] = lambda volume: None
        self.presented: Callable[[CaseNodes | None], object] = lambda nodes: None
        self._say, self._guarded = say, guarded
        self._loaded: CaseNodes | None = None
        self._unpublished = False
        self._note = ""
        self._events = 0
        self._observed: list[tuple[Any, int]] = []
        self.publisher = Publisher(lambda line: say(line, error=True))
        self.opening = Stepper(self._not_opened)
        self.loading = False
        self.result = ResultPanel(ui, guarded, self.publish_now)
        review.left = self._left
        review.on_change.append(self._refresh)

    @property
    def busy(self) -> bool:
        """True while a case is being opened or written."""
        return self.opening.busy or self.publisher.busy or self.display.reading.busy

    # -- choosing

    def choose(self, volume: slicer.vtkMRMLScalarVolumeNode | None, *, turn_views: bool = True) -> None:
        """Look at another volume, with the case that the scene holds for it, or at none."""
        self.leave()
        self._say("")
        self.volume = volume
        nodes = find_case(volume) if volume is not None and volume.GetScene() is not None else None
        if volume is not None:
            show_only(volume, nodes)
        if nodes is not None:
            follow_transform(nodes)
        self.present(nodes)
        if turn_views:
            self._turn_views()
        if nodes is not None and nodes.folder is not None and nodes.folder.is_dir():
            self.open_review(case_opening.resume(nodes, self.review.reviewer))

    def open_review(self, steps: Steps[Opened]) -> None:
        """Open a review when its files have been read; the case is seen already."""
        if self.nodes is not None and not self._check_place():
            self.opening.start(steps, self._take_review)

    def take_result(self, nodes: CaseNodes | None, case: CaseMaps | None) -> None:
        """A run has shown a preview (no ``case``), its final case, or taken the preview back (no nodes)."""
        self.leave()
        self._note = _("Preview of one fold; the ensemble follows.") if case is None else ""
        self.present(nodes)
        if nodes is not None and case is not None:
            self.open_review(case_opening.begin(nodes, case, self.review.reviewer))

    def open_folder(self, folder: Path, *, wait: bool = False, instead: bool = False) -> None:
        """Open a case folder on the chosen volume or on its own image. ``instead`` takes the case before,
        and its volume if that was loaded for it, out of the scene; ``wait`` is for scripts and raises."""
        self.leave()
        if instead and self._loaded is not None:
            gone, self._loaded = self._loaded, None
            self.volume = None
            self.present(None)
            case_opening.unload_case(gone)
        volume = None if instead else self.volume
        steps = case_opening.open_folder(folder, volume, self.review.reviewer)
        if wait:
            self._take_opened(run_through(steps))
        else:
            self._say(_("Opening {name}…").format(name=folder.name))
            self.opening.start(steps, self._take_opened)
            self.loading = True

    def _not_opened(self, error: Exception) -> None:
        self._say(str(error), error=True)
        if self.loading:
            self.loading = False
            self.choose_volume(None)

    def open_study(
        self, summary: Path, volumes: Mapping[str, Any] | None, done: Callable[[OpenedStudy], object]
    ) -> None:
        """Open both phases of a cine study, on their ``volumes`` where these are in the scene; end-diastole
        is looked at. ``done`` gets both."""
        self.leave()

        def take(study: OpenedStudy) -> None:
            done(study)
            self._take_opened(study.phases["ED"])

        self._say(_("Opening {name}…").format(name=summary.name))
        self.opening.start(open_study(summary, self.review.reviewer, volumes), take)
        self.loading = True

    def _take_opened(self, opened: Opened) -> None:
        nodes, self.loading = opened.nodes, False
        self._loaded = nodes if opened.loaded else None
        self.volume = nodes.volume
        self.choose_volume(nodes.volume)
        show_only(nodes.volume, nodes)
        self.present(nodes)
        show_heart(nodes)
        self._say(_("Case {name} is open.").format(name=nodes.name))
        self._take_review(opened)

    def _take_review(self, opened: Opened) -> None:
        review, nodes = opened.review, self.nodes
        if review is None:
            self._say(opened.problem, error=True)
            return
        if nodes is None or opened.nodes.segmentation is not nodes.segmentation:
            review.release()
            return
        self._guarded(lambda: self.review.open(nodes, review))
        self._unpublished = opened.unpublished
        self._events = len(review.record.events)
        self.presented(self.nodes)

    def present(self, nodes: CaseNodes | None) -> None:
        """Let display, words and tables refer to these nodes."""
        self.nodes = nodes
        self._watch(nodes)
        self.display.show_case(nodes)
        self._refresh()
        self.presented(nodes)

    def _turn_views(self) -> None:
        """The acquired slices of what was chosen, with the heart where it is known."""
        if self.nodes is not None:
            show_heart(self.nodes)
        elif self.volume is not None and self.volume.GetImageData() is not None:
            align_views_to(self.volume)

    def _refresh(self) -> None:
        self.result.show(self.nodes, self.review.session, self._note)

    # -- leaving and writing

    def leave(self) -> None:
        """Put the case away: the review is stored, what is being opened is left."""
        self.opening.stop()
        self.loading = False
        self.review.close()
        self._note = ""

    def ask_before_replacing(self) -> None:
        """A new result takes the place of a reviewed case in the scene only if the reader agrees; raises
        UsageError otherwise."""
        session = self.review.session
        if session is None:
            return
        self.review.finish_editing()
        session.take_painting()
        words = _(
            "This case was reviewed ({progress}). A new result takes its place here; the review stays in its "
            "folder {folder}. Segment again?"
        )
        question = words.format(progress=session.progress_text(), folder=self.nodes and self.nodes.folder)
        if session.review.decisions and not questions.confirmed(question):
            raise UsageError(_("The reviewed case stays."))

    def publish_now(self) -> None:
        """Have measures and report say what the review says, now; waits for the files."""
        session = self.review.session
        if session is not None:
            self.review.finish_editing()
            session.take_painting()
            point = session.measures.insertion_ras
            self.publisher.submit(session.review, point).result()
            self._unpublished = False
            self._events = len(session.review.record.events)
            self._refresh()

    def publish_later(self) -> None:
        """The same in a thread, while the reader goes on."""
        session = self.review.session
        if session is not None:
            self.publisher.submit(session.review, session.measures.insertion_ras)
            self._unpublished = False
            self._events = len(session.review.record.events)

    def _left(self, session: ReviewSession) -> None:
        """A review was closed: its folder gets measures and report of it, if anything has changed."""
        changed = len(session.review.record.events) != self._events
        if changed or self._unpublished or session.measures.insertion_ras is not None:
            self.publisher.submit(session.review, session.measures.insertion_ras)
        self._unpublished = False

    # -- what others do to the nodes

    def tidy(self) -> None:
        """Nodes were removed by others: go on with what is left of the case, or without it."""
        if self.nodes is None:
            return
        volume = self.nodes.volume
        again = find_case(volume) if volume.GetScene() is not None else None
        if again is None or again.segmentation is not self.nodes.segmentation:
            self.opening.stop()
            self.review.abandon()
            self._loaded = None
            self.present(None)
        elif set(again.ours()) != set(self.nodes.ours()):
            self.nodes = again
            if self.review.session is not None:
                self.review.session.rebind(again)
            self._watch(again)
            self.display.show_case(again)
            self._refresh()
            self.presented(again)

    def _watch(self, nodes: CaseNodes | None) -> None:
        """Notice when the volume or a part of its case is moved."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = []
        if nodes is None:
            return
        moved = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        parts = (nodes.segmentation, nodes.corrections, nodes.bands, *nodes.maps.values())
        for node in (nodes.volume, *parts):
            if node is not None:
                self._observed.append((node, node.AddObserver(moved, self.on_moved)))
        changed = vtk.vtkCommand.ModifiedEvent
        self._observed.append((nodes.volume, nodes.volume.AddObserver(changed, self.on_moved)))

    def on_moved(self, caller: Any = None, event: str = "") -> None:
        """A transform was set, changed or hardened: the case follows, or says that it is out of place."""
        if self.nodes is None or self.nodes.scene is None or self._check_place():
            return
        if follow_transform(self.nodes):
            if caller is not self.nodes.volume:
                self._say(_("Results stay with their volume; transform the volume to move both."))
            if self.review.session is not None:
                self.review.session.follow_transform()

    def _check_place(self) -> bool:
        """True, and no review, if the volume is no longer where it was segmented."""
        if self.nodes is None or not is_out_of_place(self.nodes):
            if self.review.session is None and self._note == _OUT_OF_PLACE and not self.opening.busy:
                self._note = ""
                self.choose(self.volume, turn_views=False)
            return False
        if self._note != _OUT_OF_PLACE:
            self.leave()
            self._note = _OUT_OF_PLACE
            self._refresh()
        return True

    def insertion(self) -> tuple[float, float, float] | None:
        """Where the RV insertion is marked on the chosen volume."""
        here = self.volume is not None and self.volume.GetScene() is not None
        return insertion_ras(self.volume) if here else None

    def stop(self) -> None:
        """The scene goes: forget everything that refers to it."""
        self.leave()
        self._loaded = None
        self.volume = None
        self.present(None)


_OUT_OF_PLACE = _(
    "The volume was moved or resampled since it was segmented; the results belong to where it was. Undo "
    "that, or segment it again."
)
