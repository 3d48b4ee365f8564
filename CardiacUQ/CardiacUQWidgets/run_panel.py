"""The Run section: one button that segments and cancels, a bar, messages and the log."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import qt
import slicer
from slicer.i18n import tr as _

from CardiacUQLib.childprocess import State
from CardiacUQLib.errors import CardiacUQError
from CardiacUQLib.review import CaseMaps
from CardiacUQScene import CaseNodes, align_views, find_case, remove_case, show_case

from . import computer, launch
from .run import RunOptions, SegmentationRun, Tick
from .view_state import ViewState

TICK_MS = 50
_ERROR_STYLE = "color: #b00020;"


class RunPanel:
    """Starts, watches and ends runs and shows what they bring.

    ``prepare`` returns the volume, the options and the number of passes, or raises CardiacUQError.
    ``shown(nodes, case)`` is called with the nodes of the final case and its arrays, with ``case`` None
    for a preview, and with two times None when a preview was taken away again.
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
        self._probe: computer.DeviceProbe | None = None
        self._volume: slicer.vtkMRMLScalarVolumeNode | None = None
        self._preview: CaseNodes | None = None
        self._views: ViewState | None = None
        self._finished: tuple[CaseNodes, CaseMaps] | None = None
        self._started, self._passes = 0.0, 1
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
        return any(work is not None for work in (self.run, self._probe, self._finished))

    def say(self, text: str, *, error: bool = False) -> None:
        """One line under the button; errors in red."""
        self.ui.messageLabel.styleSheet = _ERROR_STYLE if error else ""
        self.ui.messageLabel.text = text

    def guarded(self, action: Callable[[], object]) -> object:
        """Do it; an expected failure becomes a message that says what to do."""
        try:
            return action()
        except (CardiacUQError, OSError) as error:
            self.say(str(error), error=True)
            return None

    def probe_devices(self) -> None:
        """Find out in a child process which devices torch sees, once."""
        if self._probe is None and computer.has_torch():
            self._probe = launch.device_probe()
            self.timer.start()

    def stop(self) -> None:
        """End every child process and take a preview back: scene close, module exit."""
        self.timer.stop()
        for work in (self.run, self._probe):
            if work is not None:
                work.stop()
        if self.run is not None and not slicer.mrmlScene.IsClosing():
            self._take_back()
        self.run = self._probe = self._preview = self._views = self._finished = None
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
        if self._probe is not None and self._probe.tick():
            self._probe = None
            computer.fill_device_selector(self.ui.deviceSelector)
        if self._finished is not None:
            (nodes, case), self._finished = self._finished, None
            self.guarded(lambda: self._shown(nodes, case))
        if self.run is not None:
            self._take(self.run.tick())
        if not self.busy:
            self.timer.stop()

    def _start(self) -> None:
        volume, options, self._passes = self._prepare()
        self.run = launch.segmentation_run(volume, options)
        self._volume, self._started = volume, time.monotonic()
        self._views = ViewState.of(slicer.mrmlScene)
        ui = self.ui
        ui.logView.plainText = ""
        ui.segmentButton.text = _("Cancel")
        ui.segmentButton.toolTip = _("Stop computing; the scene stays as it was.")
        ui.progressBar.value, ui.progressBar.visible = 0, True
        for widget in (ui.inputSelector, ui.modelSelector, ui.loadCaseButton):
            widget.enabled = False
        self.say(_("Starting…"))
        self.timer.start()

    def _take(self, tick: Tick) -> None:
        """What one tick of the run brought."""
        run = self.run
        if slicer.mrmlScene.GetNodeByID(self._volume.GetID()) is not self._volume:
            self.stop()
            self.say(_("The volume was removed, so the run was ended."), error=True)
            return
        for line in tick.lines:
            self.ui.logView.appendPlainText(line)
        self.ui.progressBar.value = round(tick.share * 1000)
        if tick.comment and tick.state is State.RUNNING:
            self.say(tick.comment)
        if tick.state.final:
            self.run = None
            self._show_idle()
        if tick.case is not None:
            self.guarded(lambda: self._show(tick.case, final=tick.final))
        if tick.state is State.FAILED:
            self._take_back()
            self.say(run.error, error=True)
            if run.child is not None:
                self.ui.logView.plainText = run.child.last_lines()
                self.ui.logButton.checked = True
        elif tick.state is State.CANCELLED:
            self._take_back()
            self.say(_("Cancelled; the scene is as it was."))
        if tick.state.final:
            self._preview = self._views = None

    def _show(self, case: CaseMaps, *, final: bool) -> None:
        """The case into the scene; a preview never replaces a case that is shown already."""
        if not final:
            if find_case(self._volume) is None:
                self._preview = show_case(case, self._volume, check_content=False)
                align_views(self._preview)
                self._shown(self._preview, None)
            return
        self._shown(None, None)  # an older case goes now: its review must be closed before
        first_look = self._preview is None
        nodes = show_case(case, self._volume, check_content=False)
        if first_look:
            align_views(nodes)
        # Opening the review is left to the next tick: the event loop breathes between the two.
        self._finished = (nodes, case)
        seconds = time.monotonic() - self._started
        computer.remember_speed(seconds, case.slices, self._passes)
        self.say(_("Done in {seconds:.0f} s.").format(seconds=seconds))

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
        for widget in (ui.segmentButton, ui.inputSelector, ui.modelSelector, ui.loadCaseButton):
            widget.enabled = True

    def _show_log(self, on: bool) -> None:
        self.ui.logView.visible = on
