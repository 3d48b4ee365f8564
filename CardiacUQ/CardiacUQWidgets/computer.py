"""What this computer has and how fast it is: devices, expected time, where results go. Kept in QSettings."""

from __future__ import annotations

import importlib.util
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from CardiacUQLib.childprocess import WAIT, ChildProcess

_GROUP = "CardiacUQ/"
_RESULTS, _REVIEWER, _DEVICE = "ResultsFolder", "Reviewer", "Device"
_DEVICES, _SPEED = "Devices", "SecondsPerPass"
_UNMEASURED_SECONDS = 0.9
"""Per pass (one fold, one flip) of eight slices and per processor, before the first run was timed."""


def setting(key: str, default: str = "") -> str:
    """A setting of this computer, as text."""
    return str(slicer.app.userSettings().value(_GROUP + key) or default)


def set_setting(key: str, value: str) -> None:
    """Keep a setting of this computer."""
    slicer.app.userSettings().setValue(_GROUP + key, value)


def results_folder() -> Path:
    """Where case folders are kept."""
    return Path(setting(_RESULTS) or Path(slicer.app.defaultScenePath) / "CardiacUQ")


def set_results_folder(path: str) -> None:
    """Choose another folder for results; empty for the default."""
    set_setting(_RESULTS, path.strip())


def reviewer() -> str:
    """The name written beside decisions."""
    return setting(_REVIEWER)


def set_reviewer(name: str) -> None:
    """Keep the reviewer's name."""
    set_setting(_REVIEWER, name)


def chosen_device() -> str:
    """The device chosen on this computer, "auto" unless the user said otherwise."""
    return setting(_DEVICE, "auto")


def choose_device(name: str) -> None:
    """Keep the choice of device."""
    set_setting(_DEVICE, name)


def has_torch() -> bool:
    """True if torch is installed; does not import it."""
    return importlib.util.find_spec("torch") is not None


def devices() -> dict[str, str]:
    """Devices found by the last probe, name -> description; the CPU alone before the first."""
    try:
        return dict(json.loads(setting(_DEVICES))) or {"cpu": ""}
    except (ValueError, TypeError):
        return {"cpu": ""}


class WarmChild:
    """A child process that has torch loaded and waits for a run: importing torch takes seconds.

    On its way it says which devices torch sees.
    """

    def __init__(self, python: str, environment: Mapping[str, str], module_folder: Path) -> None:
        command = [python, "-m", "CardiacUQLib", WAIT]
        self._child = ChildProcess(command, environment=environment, folder=module_folder, listens=True)

    @property
    def pid(self) -> int | None:
        """Its process id, None before the start."""
        return self._child.pid

    def start(self) -> None:
        """Launch it; raises OSError."""
        self._child.start()

    def tick(self) -> bool:
        """True once it is ready, with the devices kept for this computer, or has ended."""
        update = self._child.poll()
        if self._child.devices:
            set_setting(_DEVICES, self._child.devices)
        return bool(self._child.devices) or update.state.final

    def take(self, arguments: Sequence[str]) -> ChildProcess | None:
        """Give it a run, even before it is ready; None if it has ended, so that another is needed."""
        if self._child.tell(json.dumps(list(arguments))):
            return self._child
        self.stop()
        return None

    def stop(self) -> None:
        """End it."""
        self._child.stop()


def device_in_use() -> str:
    """The device that a run takes: the chosen one, or the fastest that was found."""
    chosen = chosen_device()
    return next(iter(devices())) if chosen == "auto" else chosen


def remember_speed(seconds: float, slices: int, passes: int) -> None:
    """Note how long a run on the device in use took, for the next expected time."""
    per_pass = seconds * 8 / (max(slices, 1) * max(passes, 1))
    set_setting(f"{_SPEED}/{_kind(device_in_use())}", str(per_pass))


def expected_seconds(device: str, slices: int, passes: int) -> float:
    """Expected time of a run from the last one on this device, else from the number of processors."""
    measured = setting(f"{_SPEED}/{_kind(device)}")
    per_pass = (
        float(measured) if measured else _UNMEASURED_SECONDS * (2 / _cores() if device == "cpu" else 0.1)
    )
    return per_pass * passes * slices / 8


def device_line(slices: int | None, passes: int) -> str:
    """The line under the Segment button: device found and expected time."""
    if not has_torch():
        return _("torch is not installed yet: results can be reviewed, not computed.")
    found = devices()
    device = device_in_use()
    words = _("CPU, {cores} cores").format(cores=_cores()) if device == "cpu" else found.get(device, device)
    if slices is None:
        return words
    seconds = expected_seconds(_kind(device), slices, passes)
    return words + ", " + _("about {seconds} s").format(seconds=_rounded(seconds))


def _rounded(seconds: float) -> int:
    """One sensible digit."""
    step = 10 ** math.floor(math.log10(max(seconds, 1.0)))
    return max(1, math.ceil(seconds / (step / 2)) * step // 2) if step >= 10 else math.ceil(seconds)


def _kind(device: str) -> str:
    return device.partition(":")[0].partition(" ")[0]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fill_device_selector(selector: qt.QComboBox) -> None:
    """Offer the devices found; the choice shows what it means."""
    selector.clear()
    selector.addItem(_("automatic"), "auto")
    for name, description in devices().items():
        selector.addItem(description or name, name)
    selector.currentIndex = max(selector.findData(chosen_device()), 0)
