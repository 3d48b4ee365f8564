"""The Run section: one button that segments and cancels, a bar, messages and the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CardiacUQLib.base.errors import CardiacUQError
from CardiacUQLib.childprocess import State
from CardiacUQLib.review import CaseMaps
from CardiacUQScene import CaseNodes, find_case, remove_case, show_case_in_steps, show_heart

from . import computer, launch
from .run import RunOptions, SegmentationRun, Tick
from .tone import Tone, set_tone
from .view_state import ViewState

TICK_MS = 50
_STATUS_MS = 20_000


@dataclass(frozen=True)
class _Showing:
    """A case that is on its way into the scene, one step per tick of the timer."""

    steps: Generator[CaseNodes | None]
    case: CaseMaps
    final: bool


class RunPanel:
    """Starts, watches and ends runs and shows what they bring.

    ``prepare`` returns the volume, the options and the number of passes, or raises CardiacUQError.
    ``shown(nodes, case)`` is called with the nodes of the final case and its arrays, with ``case`` None
    for a preview, and with two times None when a preview was taken away again.
    ``studied(summary, volume, end_systole)`` is called with the summary of a finished cine study and the
    volume that shows its film, or with both volumes of a pair.
    """

    def __init__(
        self,
        ui: SimpleNamespace,
        prepare: Callable[[], tuple[slicer.vtkMRMLScalarVolumeNode, RunOptions, int]],
        shown: Callable[[CaseNodes | None, CaseMaps | None], None],
    ) -> None:
        self.ui = ui
        self.run: SegmentationRun | None = None
        self._prepare, self._shown = prepare, shown
        self.studied: Callable[[Path, Any, Any], object] = lambda summary, volume, end_systole: None
        self._end_systole: slicer.vtkMRMLScalarVolumeNode | None = None
        self._study: Path | None = None
        self._warm: computer.WarmChild | None = None
        self._probing = False
        self._volume: slicer.vtkMRMLScalarVolumeNode | None = None
        self._preview: CaseNodes | None = None
        self._views: ViewState | None = None
        self._showing: _Showing | None = None
        self._held: tuple[CaseMaps, bool] | None = None
        self.entered = False
        self._started, self._seconds, self._passes = 0.0, 0.0, 1
        self.timer = qt.QTimer()
        self.timer.interval = TICK_MS
        self.timer.connect("timeout()", self.on_tick)
        ui.segmentButton.connect("clicked(bool)", self.on_button)
        ui.logButton.connect("toggled(bool)", self._show_log)
        ui.logView.visible = False
        self._show_idle()

    @property
    def busy(self) -> bool:
        """True while a child process is at work or its result is being shown."""
        waiting = (self._held is not None or self._study is not None) and self.entered
        return self._probing or waiting or self.run is not None or self._showing is not None

    def say(self, text: str, *, error: bool = False) -> None:
        """One line under the buttons; errors in red."""
        set_tone(self.ui.messageLabel, Tone.BAD if error else Tone.PLAIN)
        self.ui.messageLabel.text = text
        self.ui.messageLabel.visible = bool(text)

    def guarded(self, action: Callable[[], object]) -> object:
        """Do it; an expected failure becomes a message that says what to do."""
        try:
            return action()
        except (CardiacUQError, OSError) as error:
            self.say(str(error), error=True)
            return None

    def enter(self) -> None:
        """The module is open: what came while it was not goes into the scene now."""
        self.entered = True
        self.warm_up()
        if self.run is not None or self._held is not None or self._study is not None:
            self.timer.start()

    def leave(self) -> None:
        """Another module is open: a run goes on, its result waits."""
        self.entered = False
        if self.run is None:
            self.cool_down()

    def warm_up(self) -> None:
        """Have a child process load torch and wait for the next run; it says which devices there are."""
        if self._warm is None and self.run is None and computer.has_torch():
            self._warm = launch.warm_child()
            self._probing = self._warm is not None
            self.timer.start()

    def cool_down(self) -> None:
        """End the child process that waits."""
        if self._warm is not None:
            self._warm.stop()
        self._warm, self._probing = None, False

    def stop(self) -> None:
        """End the run and take a preview back: scene close, end of the application."""
        self.timer.stop()
        if self.run is not None:
            self.run.stop()
        if self._showing is not None:
            self._showing.steps.close()
        if self.run is not None and not slicer.mrmlScene.IsClosing():
            self._take_back()
        self.run = self._preview = self._views = self._showing = self._held = self._study = None
        self._probing = False
        self._show_idle()

    def on_button(self, checked: bool = False) -> None:
        """Segment, or Cancel while a run is under way."""
        if self.run is None:
            self.guarded(self._start)
            return
        self.run.cancel()
        self.ui.segmentButton.enabled = False
        self.ui.segmentButton.text = _("Cancelling…")

    def on_tick(self) -> None:
        """Look after the child processes; never waits."""
        if self._probing and self._warm is not None and self._warm.tick():
            self._probing = False
            computer.fill_device_selector(self.ui.deviceSelector)
        if self._showing is not None:
            self._show_step(self._showing)
        elif self._held is not None and self.entered:
            (case, final), self._held = self._held, None
            self.guarded(lambda: self._begin_to_show(case, final=final))
        elif self._study is not None and self.entered:
            summary, self._study = self._study, None
            if not self._volume_is_gone():
                self.guarded(lambda: self.studied(summary, self._volume, self._end_systole))
        elif self.run is not None:
            self._take(self.run.tick())
        self._keep_pace()
        if not self.busy:
            self._show_idle()
            if self.run is None:
                self.timer.stop()

    def _keep_pace(self) -> None:
        """Nothing is waited for while a case goes into the scene: its steps follow at once."""
        wanted = TICK_MS if self._showing is None else 0
        if self.timer.interval != wanted:
            self.timer.interval = wanted

    def _start(self) -> None:
        volume, options, self._passes = self._prepare()
        self.run = launch.segmentation_run(volume, options, self._warm)
        self._warm, self._probing = None, False
        self._volume, self._started = volume, time.monotonic()
        self._end_systole = options.end_systole
        self._views = ViewState.of(slicer.mrmlScene)
        ui = self.ui
        ui.logView.plainText = ""
        ui.segmentButton.text = _("Cancel")
        ui.segmentButton.toolTip = _("Stop computing; the scene stays as it was.")
        ui.progressBar.value, ui.progressBar.visible = 0, True
        for widget in self._held_back:
            widget.enabled = False
        self.say(_("Starting…"))
        self.timer.start()

    def _take(self, tick: Tick) -> None:
        """What one tick of the run brought."""
        run = self.run
        if run is None or self._volume_is_gone():
            return
        for line in tick.lines:
            self.ui.logView.appendPlainText(line)
        self.ui.progressBar.value = round(tick.share * 1000)
        if tick.comment and tick.state is State.RUNNING:
            self.say(tick.comment)
        if tick.state.final:
            self.run = None
            self._show_idle()
        self._keep(tick)
        if tick.state is State.FAILED:
            self._take_back()
            self.say(run.error, error=True)
            if run.child is not None:
                self.ui.logView.plainText = run.child.last_lines()
                self.ui.logButton.checked = True
        elif tick.state is State.CANCELLED:
            self._take_back()
            self.say(_("Cancelled; the scene is as it was."))
        if tick.state.final and self._showing is None and self._held is None:
            self._preview = self._views = None

    def _keep(self, tick: Tick) -> None:
        """A case or a study that came; it goes into the scene when the module is open."""
        if tick.case is not None:
            self._held = (tick.case, tick.final)
            if tick.final:
                self._seconds = time.monotonic() - self._started
                computer.remember_speed(self._seconds, tick.case.slices, self._passes)
                if not self.entered:
                    words = _("CardiacUQ: {name} is segmented; open the module to see it.")
                    slicer.util.showStatusMessage(words.format(name=tick.case.name), _STATUS_MS)
        if tick.study is not None:
            self._study = tick.study
            self.say(_("Done in {seconds:.0f} s.").format(seconds=time.monotonic() - self._started))

    def _begin_to_show(self, case: CaseMaps, *, final: bool) -> None:
        """Bring the case into the scene from now on; a preview never replaces a case that is shown."""
        if self._volume_is_gone() or (not final and find_case(self._volume) is not None):
            return
        if final:
            self._shown(None, None)  # an older case goes soon: its review must be closed before
            self.say(_("Done in {seconds:.0f} s.").format(seconds=self._seconds))
            self.ui.segmentButton.enabled = self.ui.inputSelector.enabled = False
        self._showing = _Showing(show_case_in_steps(case, self._volume, check_content=False), case, final)

    def _show_step(self, showing: _Showing) -> None:
        """One more step; the event loop breathes between two of them."""
        if self._volume_is_gone():
            return
        try:
            nodes = next(showing.steps)
        except (CardiacUQError, OSError) as error:
            self._showing = None
            self.say(str(error), error=True)
            return
        if nodes is None:
            return
        self._showing = None
        if self._preview is None:
            show_heart(nodes)
        self._preview = None if showing.final else nodes
        if showing.final:
            self._views = None
        self._shown(nodes, showing.case if showing.final else None)

    def _volume_is_gone(self) -> bool:
        """Ends the run if the user has removed its volume."""
        needed = [node for node in (self._volume, self._end_systole) if node is not None]
        if needed and all(slicer.mrmlScene.GetNodeByID(node.GetID()) is node for node in needed):
            return False
        self.stop()
        self.say(_("The volume was removed, so the run was ended."), error=True)
        return True

    def _take_back(self) -> None:
        """Remove the preview and put the views back."""
        if self._preview is not None:
            remove_case(self._preview)
            self._shown(None, None)
        if self._views is not None:
            self._views.restore(slicer.mrmlScene)

    def _show_idle(self) -> None:
        ui = self.ui
        ui.segmentButton.text = _("Segment")
        ui.segmentButton.toolTip = _("Compute the labels and their uncertainty in the background.")
        ui.progressBar.visible = False
        for widget in (ui.segmentButton, *self._held_back):
            widget.enabled = True

    @property
    def _held_back(self) -> tuple[qt.QWidget, ...]:
        """What would change the case under a run."""
        ui = self.ui
        choices = (ui.inputSelector, ui.pairSelector, ui.modelSelector, ui.modelFolderButton)
        return (*choices, ui.loadFilmButton, ui.loadCaseButton, ui.loadCohortButton, ui.nextCaseButton)

    def _show_log(self, on: bool) -> None:
        self.ui.logView.visible = on
