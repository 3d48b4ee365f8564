"""The widgets about this computer: device, expected time, place of results, installation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import ctk
import slicer

from . import computer, dependencies, inputfile


class ComputerPanel:
    """``requirements`` is the file of packages that computing needs; ``changed`` is called when the device
    was changed, and ``guarded`` turns an expected failure into a message."""

    def __init__(
        self,
        ui: SimpleNamespace,
        requirements: Path,
        guarded: Callable[[Callable[[], object]], object],
        changed: Callable[[], object],
    ) -> None:
        self.ui = ui
        self._requirements, self._guarded, self._changed = requirements, guarded, changed
        ui.installButton.connect("clicked(bool)", lambda checked=False: self.check_installation())
        ui.resultsPath.filters = ctk.ctkPathLineEdit.Dirs
        ui.resultsPath.currentPath = str(computer.results_folder())
        ui.resultsPath.connect("currentPathChanged(QString)", computer.set_results_folder)
        computer.fill_device_selector(ui.deviceSelector)
        ui.deviceSelector.connect("activated(int)", self._choose_device)

    def install_missing(self) -> None:
        """What computing needs and is not here; asks first, raises UsageError if it cannot be had."""
        if dependencies.missing(self._requirements):
            dependencies.install(self._requirements)

    def show_expectation(self, volume: slicer.vtkMRMLScalarVolumeNode | None, passes: int) -> None:
        """The line under the button: device and expected time."""
        self.ui.deviceLabel.text = computer.device_line(inputfile.slice_count(volume), passes)

    def check_installation(self) -> None:
        """Tell what is here and offer to install what is missing."""
        self._guarded(self.install_missing)
        self.ui.inputSection.collapsed = False
        self.ui.logButton.checked = True
        self.ui.logView.plainText = dependencies.report(self._requirements)

    def _choose_device(self, index: int) -> None:
        """Keep the device for this computer."""
        computer.choose_device(self.ui.deviceSelector.itemData(index))
        self._changed()
