"""A cine as a study: this frame or the whole film, which frames, and results that stay on their frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from CardiacUQLib.base.errors import InputError
from CardiacUQScene.film import Film, bind_frame, bound_frames, bound_to, cavity_plot, film_of

from . import case_opening
from .case_opening import Opened
from .run import FilmOptions
from .stepping import Steps, in_thread

PHASES = ("ED", "ES")


@dataclass(frozen=True)
class OpenedStudy:
    """Both phases of a study in the scene, and the content of its summary."""

    phases: dict[str, Opened]
    content: dict[str, Any]


def open_study(summary: Path, reviewer: str) -> Steps[OpenedStudy]:
    """Show both phases of a study on their frames, each with its own volume; raises InputError."""
    content = yield from in_thread(lambda: _read(summary))
    phases = {}
    for phase in PHASES:
        folder = summary.parent / str(content["cases"][phase])
        phases[phase] = yield from case_opening.open_folder(folder, None, reviewer)
    return OpenedStudy(phases, content)


def _read(summary: Path) -> dict[str, Any]:
    try:
        content = json.loads(summary.read_text("utf-8"))
        _ = [content["cases"][phase] for phase in PHASES]
        return content
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"is not the summary of a cine study ({error})"
        raise InputError(summary, problem, "give a NAME_cine.json that was written here") from error


class FilmPanel:
    """The choice between film and frame, and the browsing of a film with results.

    ``choose_volume(volume)`` makes a volume the chosen one: that of a phase at its frame, the film's own
    volume elsewhere.
    """

    def __init__(self, ui: SimpleNamespace, choose_volume: Callable[[Any], object]) -> None:
        self.ui = ui
        self._choose_volume = choose_volume
        self._film: Film | None = None
        self._observed: tuple[Any, int] | None = None
        self._following = False
        ui.phaseHereButton.connect("clicked(bool)", lambda checked=False: self.next_phase())
        ui.filmRadio.connect("toggled(bool)", lambda on: self._show_phases())
        self.watch(None, cine=False)

    @property
    def film(self) -> Film | None:
        """The film of the chosen volume."""
        return self._film

    def watch(self, volume: slicer.vtkMRMLScalarVolumeNode | None, *, cine: bool) -> None:
        """Look after another volume; ``cine`` if the chosen model is made for films."""
        if self._observed is not None:
            node, tag = self._observed
            node.RemoveObserver(tag)
            self._observed = None
        bound = None if volume is None or volume.GetScene() is None else bound_to(volume)
        self._film = bound[0] if bound else film_of(volume)
        self.ui.filmFrame.visible = self._film is not None and cine
        if self._film is None:
            return
        for spin in (self.ui.edSpin, self.ui.esSpin):
            spin.minimum, spin.maximum = 0, self._film.frames
        if bound and bound[1] != self._film.index:
            self._film.go_to(bound[1])
        event = vtk.vtkCommand.ModifiedEvent
        self._observed = (self._film.browser, self._film.browser.AddObserver(event, self.on_browse))
        self._show_phases()

    def asked(self) -> FilmOptions | None:
        """What of the film is to be segmented; None for the frame that is shown."""
        if self._film is None or not self.ui.filmFrame.visible or not self.ui.filmRadio.checked:
            return None
        ed, es = (int(spin.value) - 1 for spin in (self.ui.edSpin, self.ui.esSpin))
        return FilmOptions(ed if ed >= 0 else None, es if es >= 0 else None)

    def bind(self, study: OpenedStudy, film: Film | None) -> None:
        """Let the results of a study stay on their frames, and draw the cavity over time."""
        frames = study.content.get("frames")
        if film is None or not isinstance(frames, dict):
            return
        for phase, opened in study.phases.items():
            bind_frame(opened.nodes.volume, film, int(frames[phase]))
        cavity = study.content.get("cavity_ml")
        if cavity:
            name = f"{film.volume.GetName()} cavity"
            chart = cavity_plot(film.volume.GetScene(), name, cavity, {p: int(frames[p]) for p in PHASES})
            slicer.modules.plots.logic().ShowChartInLayout(chart)
        self.ui.edSpin.value, self.ui.esSpin.value = (int(frames[phase]) + 1 for phase in PHASES)

    def on_browse(self, caller: Any = None, event: str = "") -> None:
        """Another frame is shown: with the results of a phase if it is one."""
        if self._film is None or self._following or self._film.volume.GetScene() is None:
            return
        bound = bound_frames(self._film)
        if bound:
            self._following = True
            try:
                self._choose_volume(bound.get(self._film.index, self._film.volume))
            finally:
                self._following = False
            self._show_phases()

    def next_phase(self) -> None:
        """Go to end-diastole, then to end-systole, as far as they are known."""
        if self._film is not None:
            known = sorted(bound_frames(self._film)) or [0]
            later = [index for index in known if index > self._film.index]
            self._film.go_to(later[0] if later else known[0])

    def _show_phases(self) -> None:
        ui = self.ui
        ui.phaseFrame.enabled = ui.filmRadio.checked
        if self._film is not None:
            words = _("Frame {number} of {count}: next phase")
            ui.phaseHereButton.text = words.format(number=self._film.index + 1, count=self._film.frames)
