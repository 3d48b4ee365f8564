"""Results of CardiacUQ as MRML nodes, and the review in the scene. slicer and vtk, never Qt, never torch.

What the module's widget uses, and nothing else (``volume`` is the user's vtkMRMLScalarVolumeNode and
is never changed, ``nodes`` is a :class:`CaseNodes`):

Showing a case::

    from CardiacUQLib.cases.casefolder import read_case
    from CardiacUQScene import show_case, find_case, all_cases, remove_case

    nodes = show_case(read_case(folder), volume)    # a case folder or a result.Result; all or nothing
    nodes = show_case(full_result, volume)          # again: replaces what stood there (the preview)
    show_case_in_steps(case, volume)                # the same as a generator for a timer; ends with the nodes
    nodes = find_case(volume)                       # CaseNodes | None, also after loading an .mrb
    remove_case(nodes)                              # every node of ours, never the volume

``show_case(case, volume, scene=None, *, check_content=True)`` raises ``errors.InputError`` with
the scene unchanged when the case belongs to another volume. Pass ``check_content=False`` for a case
that the module has just computed from this very node.

``CaseNodes`` (frozen dataclass of nodes): ``volume``, ``segmentation``, ``corrections`` (or None), ``maps``
(dict MapName -> scalar volume node), ``measures`` (table), ``profile`` (table), ``chart`` (plot chart),
``bullseyes`` (colour picture or None), ``bands`` (segmentation or None), ``folder`` (pathlib.Path of the
case folder or None), ``classes`` (tuple of ClassInfo), ``default_map``, ``warnings``.

Display::

    heat_map_choices(nodes) -> tuple[MapName, ...]              best first
    set_heat_map(nodes, MapName.SCS, opacity=0.4, threshold=0.05)   threshold in the map's own unit
    set_heat_map(nodes, None)                                   heat map off
    heat_map(nodes) -> HeatMap(name, opacity, threshold)        what is shown now
    scale_of(nodes, MapName.SCS) -> Scale(lowest, highest, title)   fixed window, for the slider's range
    toggle_heat_map(nodes)                                      key H
    set_outlines_2d(nodes, visible), set_surfaces_3d(nodes, visible), set_corrections(nodes, visible)
    set_bands(nodes, visible)                                   contour bands; nodes.band_words: what they are
    align_views(nodes)                                          acquired slices in the first slice view
    show_bullseyes(nodes, visible)                              the 17 segments in the Yellow view
    value_at(nodes, ras, probabilities=None) -> str             words for the data probe, "" outside

Review (``case`` as given to show_case, needs a case folder to be resumable)::

    session = ReviewSession(nodes, case, reviewer="Jane Doe")    resumes review.json if there is one
    session.items -> tuple[ReviewItem, ...]; session.index -> int (-1 before the first)
    session.next(); session.previous(); session.jump(i)         moves the slice views, outlines the region
    session.keep(); session.take_2d(); session.assign(label)    decide and store; they do not move on
    session.accept()                                            the outline that the item proposes
    session.flag(note=""); session.edited()                     edited(): takes what was painted in the node
    session.undo() -> bool; session.redo() -> bool              False if there was nothing
    session.can_undo, session.can_redo
    session.card_text() -> str; session.progress() -> Progress(items, decided, flagged, decisions, done)
    session.progress_text() -> str                              "done, 5 decisions, 1 flagged"
    session.headline() -> str                                   sizes from the corrected labels
    session.export(folder) -> Path                              training case, EMIDEC's layout
    session.close()                                             removes the outline of the region

Where AHA segments are counted from (a point list with one point, found by its volume)::

    add_insertion_markup(volume), insertion_markup(volume), remove_insertion(volume)
    insertion_ras(volume) -> (r, a, s) | None                   mm on the grid of the volume
    session.take_count(session.counted_from(ras))               measures and bull's-eyes anew; the second
                                                                call may run in a thread

``session.on_change`` is a list of callables without arguments, called after every decision, move, undo
and redo (for card, buttons and headline).

Off-screen pictures: :mod:`CardiacUQScene.render`; without the application: :mod:`CardiacUQScene.standalone`.
"""

from .bullseyes import show_bullseyes
from .case_nodes import CaseNodes, all_cases, find_case, remove_case
from .display import set_bands, set_corrections, set_outlines_2d, set_surfaces_3d
from .insertion import add_insertion_markup, insertion_markup, insertion_ras, remove_insertion
from .maps import HeatMap, Scale, heat_map, heat_map_choices, scale_of, set_heat_map, toggle_heat_map
from .parts import is_ours, our_volumes, tidy_cases
from .probe import value_at
from .review_session import ReviewSession, saved_record
from .session_measures import SegmentCount
from .show import content_check, matching_order, show_case, show_case_in_steps
from .views import align_views, align_views_to, show_heart
from .visible import follow_transform, is_out_of_place, show_only

__all__ = [
    "CaseNodes",
    "HeatMap",
    "ReviewSession",
    "Scale",
    "SegmentCount",
    "add_insertion_markup",
    "align_views",
    "align_views_to",
    "all_cases",
    "content_check",
    "find_case",
    "follow_transform",
    "heat_map",
    "heat_map_choices",
    "insertion_markup",
    "insertion_ras",
    "is_ours",
    "is_out_of_place",
    "matching_order",
    "our_volumes",
    "remove_case",
    "remove_insertion",
    "saved_record",
    "scale_of",
    "set_bands",
    "set_corrections",
    "set_heat_map",
    "set_outlines_2d",
    "set_surfaces_3d",
    "show_bullseyes",
    "show_case",
    "show_case_in_steps",
    "show_heart",
    "show_only",
    "tidy_cases",
    "toggle_heat_map",
    "value_at",
]
