"""What is read first: verdict, headline with intervals, who reviewed it; and the files of the case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import qt
import slicer
from slicer.i18n import tr as _

from CardiacUQScene import CaseNodes, ReviewSession

from .tone import Tone, set_tone

_TONES = {"trust": Tone.GOOD, "check": Tone.CARE, "redo": Tone.BAD}
_REDO = "redo"
REPORT = "report.html"


class ResultPanel:
    """Words about one case. ``publish`` writes what the review says into its folder and returns when it is
    there; ``guarded`` turns an expected failure into a message."""

    def __init__(
        self,
        ui: SimpleNamespace,
        guarded: Callable[[Callable[[], object]], object],
        publish: Callable[[], object],
    ) -> None:
        self.ui = ui
        self._nodes: CaseNodes | None = None
        self._guarded, self._publish = guarded, publish
        ui.reportButton.connect("clicked(bool)", lambda checked=False: self._guarded(self.open_report))
        ui.folderButton.connect("clicked(bool)", lambda checked=False: self._open(self._folder))
        ui.plotButton.connect("clicked(bool)", lambda checked=False: self._plot())
        ui.measuresTable.verticalHeader().setVisible(False)
        ui.measuresTable.horizontalHeader().setStretchLastSection(True)
        self.show(None, None)

    @property
    def _folder(self) -> Path | None:
        return None if self._nodes is None else self._nodes.folder

    def show(self, nodes: CaseNodes | None, session: ReviewSession | None, note: str = "") -> None:
        """Speak of these nodes, and of their review if there is one; ``note`` stands where there is none."""
        ui, self._nodes = self.ui, nodes
        verdict = nodes.verdict if nodes is not None else None
        ui.verdictLabel.visible = verdict is not None
        if verdict is not None:
            ui.verdictLabel.text = verdict.text
            ui.verdictLabel.toolTip = verdict.advice
            set_tone(ui.verdictLabel, _TONES.get(verdict.word, Tone.PLAIN))
        ui.headlineLabel.text = session.headline() if session is not None else note
        # no number stands first on a scan that the model is not made for, until a reader has corrected it
        untouched = session is None or not session.review.decisions
        refused = verdict is not None and verdict.unlike and verdict.word == _REDO and untouched
        ui.headlineLabel.visible = bool(ui.headlineLabel.text) and not refused
        stamp = "" if session is None else session.measures.stamp
        own = ""
        if session is not None and session.measures.model_headline != session.headline():
            own = _(" Networks alone: {headline}").format(headline=session.measures.model_headline)
        ui.stampLabel.text = f"{stamp[:1].upper()}{stamp[1:]}.{own}" if stamp else ""
        ui.stampLabel.visible = bool(stamp)
        warnings = "\n".join(nodes.warnings) if nodes is not None else ""
        ui.warningsLabel.text, ui.warningsLabel.visible = warnings, bool(warnings)
        set_tone(ui.warningsLabel, Tone.CARE)
        ui.resultFrame.visible = nodes is not None
        ui.heatFrame.visible = nodes is not None
        ui.measuresTable.setMRMLTableNode(nodes.measures if nodes is not None else None)
        folder = self._folder
        here = folder is not None and folder.is_dir()
        ui.folderButton.enabled = here
        ui.reportButton.enabled = folder is not None and (folder / REPORT).is_file()
        ui.plotButton.enabled = nodes is not None and nodes.chart is not None

    def open_report(self) -> None:
        """The report as the review stands now."""
        self._publish()
        self._open(None if self._folder is None else self._folder / REPORT)

    def _open(self, path: Path | None) -> None:
        if path is not None and path.exists():
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))

    def _plot(self) -> None:
        chart = None if self._nodes is None else self._nodes.chart
        if chart is not None:
            slicer.modules.plots.logic().ShowChartInLayout(chart)
