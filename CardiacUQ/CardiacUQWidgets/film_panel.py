"""A cine as a study: this frame, the whole film or two volumes, and results that stay on their frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.cases.study_record import PHASES, StudyRecord, read_study
from CardiacUQScene.film import Film, bind_frame, bound_frames, bound_to, cavity_plot, film_of

from . import case_opening
from .case_opening import Opened
from .dicom_objects import read_anew, unchecked_file
from .film_opening import open_film
from .run import FilmOptions
from .stepping import Stepper, Steps, in_thread


@dataclass(frozen=True)
class OpenedStudy:
    """Both phases of a study in the scene, and the record that ties them together."""

    phases: dict[str, Opened]
    record: StudyRecord


def open_study(
    summary: Path, reviewer: str, volumes: Mapping[str, slicer.vtkMRMLScalarVolumeNode] | None = None
) -> Steps[OpenedStudy]:
    """Show both phases of a study, on the ``volumes`` they come from or else each on its own; raises
    InputError."""
    record = yield from in_thread(lambda: read_study(summary))
    phases = {}
    for phase in PHASES:
        volume = None if volumes is None else volumes.get(phase)
        folder = summary.parent / record.cases[phase]
        phases[phase] = yield from case_opening.open_folder(folder, volume, reviewer)
    return OpenedStudy(phases, record)


class FilmPanel:
    """The choice between film and frame, and the browsing of a film with results.

    ``choose_volume(volume)`` makes a volume the chosen one: that of a phase at its frame, the film's own
    volume elsewhere. ``say`` shows a line. ``open_study(summary, volumes, done)`` shows a finished study.
    """

    def __init__(
        self, ui: SimpleNamespace, choose_volume: Callable[[Any], object], say: Callable[..., None]
    ) -> None:
        self.ui = ui
        self.open_study: Callable[..., object] = lambda summary, volumes, done: None
        self.loading = Stepper(lambda error: say(str(error), error=True))
        self._choose_volume, self._say = choose_volume, say
        self._checked: slicer.vtkMRMLScalarVolumeNode | None = None
        self._film: Film | None = None
        self._observed: tuple[Any, int] | None = None
        self._following = False
        ui.loadFilmButton.connect("clicked(bool)", lambda checked=False: self._choose_film())
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
        self.ui.pairFrame.visible = self._film is None and volume is not None and cine
        if not self.ui.pairFrame.visible or self.ui.pairSelector.currentNode() is volume:
            self.ui.pairSelector.setCurrentNode(None)
        if self._film is None:
            self._check_dicom(volume)
            return
        for spin in (self.ui.edSpin, self.ui.esSpin):
            spin.minimum, spin.maximum = 0, self._film.frames
        if bound and bound[1] != self._film.index:
            self._film.go_to(bound[1])
        event = vtk.vtkCommand.ModifiedEvent
        self._observed = (self._film.browser, self._film.browser.AddObserver(event, self.on_browse))
        self._show_phases()

    def _check_dicom(self, volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Look in a thread whether a volume from an enhanced object is as the object says; if not, another
        one is chosen in its place."""
        path = unchecked_file(volume)
        under_way = self.loading.busy and self._checked is volume  # the nodes it adds come back here
        if path is None or volume is None or under_way:
            return
        self._checked = volume

        def take(found: slicer.vtkMRMLScalarVolumeNode | None) -> None:
            if found is not None and self.ui.inputSelector.currentNode() is volume:
                self._choose_volume(found)
                words = _("{name} was read anew: its frames had been put together wrongly.")
                self._say(words.format(name=path.name))

        self.loading.start(read_anew(volume, path), take)

    def load(self, path: Path) -> None:
        """Load a film from its folder or file, and choose it."""
        self._say(_("Loading {name}…").format(name=path.name))
        self.loading.start(open_film(path), self._loaded)

    def take_study(self, summary: Path, volume: Any, end_systole: Any = None) -> None:
        """A run has segmented a film, or a pair of volumes."""
        film = film_of(volume)
        pair = None if end_systole is None else dict(zip(PHASES, (volume, end_systole), strict=True))
        self.open_study(summary, pair, lambda study: self.bind(study, film))

    def asked(self) -> FilmOptions | None:
        """What of the film is to be segmented; None for the frame that is shown. Raises UsageError."""
        if self._film is None or not self.ui.filmFrame.visible or not self.ui.filmRadio.checked:
            return None
        ed, es = (int(spin.value) - 1 for spin in (self.ui.edSpin, self.ui.esSpin))
        if ed == es and ed >= 0:
            raise UsageError(_("End-diastole and end-systole are the same frame; choose two."))
        return FilmOptions(ed if ed >= 0 else None, es if es >= 0 else None)

    def end_systole(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """The volume of the other phase, None if the chosen one is segmented alone; raises UsageError if
        that is the same, or while something is loaded."""
        if self.loading.busy:
            raise UsageError(_("The image is still being read; try again in a moment."))
        node = self.ui.pairSelector.currentNode() if self.ui.pairFrame.visible else None
        if node is not None and node is self.ui.inputSelector.currentNode():
            raise UsageError(_("End-diastole and end-systole are the same volume; choose two."))
        return node

    def bind(self, study: OpenedStudy, film: Film | None) -> None:
        """Let the results of a study stay on their frames, and draw the cavity over time."""
        frames, cavity_ml = study.record.frames, study.record.cavity_ml
        if film is None or not frames:
            return
        for phase, opened in study.phases.items():
            bind_frame(opened.nodes.volume, film, frames[phase])
        if cavity_ml:
            name = f"{film.volume.GetName()} cavity"
            curve = [math.nan if ml is None else ml for ml in cavity_ml]
            chart = cavity_plot(film.volume.GetScene(), name, curve, frames)
            slicer.modules.plots.logic().ShowChartInLayout(chart)
        self.ui.edSpin.value, self.ui.esSpin.value = (frames[phase] + 1 for phase in PHASES)

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

    def _choose_film(self) -> None:
        title = _("Folder of DICOM files with a cine")
        folder = qt.QFileDialog.getExistingDirectory(self.ui.loadFilmButton, title, "")
        if folder:
            self.load(Path(folder))

    def _loaded(self, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
        self._choose_volume(volume)
        self._say(_("Film {name} is loaded.").format(name=volume.GetName()))

    def _show_phases(self) -> None:
        ui = self.ui
        ui.phaseFrame.enabled = ui.filmRadio.checked
        if self._film is not None:
            words = _("Frame {number} of {count}: next phase")
            ui.phaseHereButton.text = words.format(number=self._film.index + 1, count=self._film.frames)
