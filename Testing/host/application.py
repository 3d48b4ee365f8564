"""The application around a scripted module: `qt`, `ctk`, `slicer`, a scene, a frame, an event loop."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtWidgets

from . import pythonqt, widgets

SOURCE_VARIABLE = "SLICER_SOURCE_DIR"
_STAND_INS = Path(__file__).parent / "standins"
_REPLACED = ("ScriptedLoadableModule", "i18n", "parameterNodeWrapper", "packaging")


def slicer_source() -> Path | None:
    """Folder `Base/Python/slicer` of the Slicer source tree in SLICER_SOURCE_DIR, None if none is given."""
    given = os.environ.get(SOURCE_VARIABLE)
    if not given:
        return None
    folder = Path(given) / "Base" / "Python" / "slicer"
    if not (folder / "ScriptedLoadableModule.py").is_file():
        raise FileNotFoundError(f"{SOURCE_VARIABLE}={given}: no Base/Python/slicer in it")
    return folder


class Signals:
    """Signals of an application object, by C++ signature; an unknown one raises."""

    def __init__(self, *signatures: str) -> None:
        self._slots: dict[str, list[Callable[..., Any]]] = {signature: [] for signature in signatures}

    def connect(self, signature: str, slot: Callable[..., Any]) -> bool:
        if signature not in self._slots:
            raise pythonqt.DialectError(f"no signal {signature}")
        self._slots[signature].append(slot)
        return True

    def disconnect(self, signature: str, slot: Callable[..., Any]) -> bool:
        self._slots[signature].remove(slot)
        return True

    def emit(self, signature: str, *arguments: Any) -> None:
        for slot in list(self._slots[signature]):
            slot(*arguments)


class ModuleParent:
    """The qSlicerScriptedLoadableModule handed to the module class; unknown attributes raise."""

    __slots__ = (
        "acknowledgementText",
        "categories",
        "contributors",
        "dependencies",
        "helpText",
        "hidden",
        "icon",
        "index",
        "path",
        "title",
    )

    def __init__(self, path: Path) -> None:
        self.path = str(path)


class Application:
    """What `slicer.app` offers to a module, and what the tests do in the user's place."""

    def __init__(self, folder: Path, slice_views: bool) -> None:
        from CardiacUQScene.standalone import StandaloneScene

        self.qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
        self.qt_application.setOrganizationName("CardiacUQ-test")
        self.qt_application.setApplicationName("host")
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
        scope = QtCore.QSettings.Scope.UserScope
        QtCore.QSettings.setPath(QtCore.QSettings.Format.IniFormat, scope, str(folder / "settings"))
        self.temporaryPath = str(folder / "temporary")
        Path(self.temporaryPath).mkdir(parents=True)
        self.defaultScenePath = str(folder / "documents")
        self.applicationName = "Slicer"
        self.documentationBaseUrl = "https://slicer.readthedocs.io/"
        self.standalone = StandaloneScene()
        layout = (("Red", "Axial"), ("Yellow", "Sagittal"), ("Green", "Coronal")) if slice_views else ()
        self.slice_logics = [self.standalone.add_slice_view(*view) for view in layout]
        self._signals = Signals("startupCompleted()", "aboutToQuit()")
        self._manager = Signals("moduleAboutToBeUnloaded(QString)")
        self.connect, self.disconnect = self._signals.connect, self._signals.disconnect

    def mrmlScene(self) -> Any:
        return self.standalone.scene

    def applicationLogic(self) -> Any:
        return self.standalone.logic

    def moduleManager(self) -> Signals:
        return self._manager

    def settings(self) -> Any:
        return QtCore.QSettings()

    userSettings = settings

    def topLevelWidgets(self) -> list[Any]:
        return []

    def layoutManager(self) -> None:
        return None

    def testingEnabled(self) -> bool:
        return True

    def translate(self, context: str, text: str, *_: Any) -> str:
        return text

    def moduleDocumentationUrl(self, name: str) -> str:
        return self.documentationBaseUrl

    def startupEnvironment(self) -> Any:
        return QtCore.QProcessEnvironment.systemEnvironment()

    def setOverrideCursor(self, cursor: Any) -> None:
        self.qt_application.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        self.qt_application.restoreOverrideCursor()

    def processEvents(self) -> None:
        self.qt_application.processEvents()

    def pauseRender(self) -> None: ...

    def resumeRender(self) -> None: ...


class Host:
    """The running host: modules loaded from their files, one widget each."""

    def __init__(self, folder: Path, slice_views: bool) -> None:
        import slicer

        self.slicer = slicer
        self._before = dict(vars(slicer))
        self._path_before, self._sys_path_before = list(slicer.__path__), list(sys.path)
        self.app = Application(folder, slice_views)
        self._install()
        self.widgets: dict[str, Any] = {}
        self.frames: dict[str, Any] = {}

    @property
    def scene(self) -> Any:
        return self.slicer.mrmlScene

    def _install(self) -> None:
        slicer = self.slicer
        pythonqt.hold_none()
        pythonqt.quiet_qt()
        self.qt = sys.modules["qt"] = pythonqt.make_qt()
        self.ctk = sys.modules["ctk"] = types.ModuleType("ctk")
        for name, cls in widgets.make_widgets().items():
            setattr(self.ctk if name.startswith("ctk") else slicer, name, cls)
        self.ctk.__getattr__ = lambda name: _placeholder(self.ctk, name)
        slicer.__getattr__ = lambda name: _placeholder(slicer, name)
        slicer.app, slicer.mrmlScene = self.app, self.app.mrmlScene()
        slicer.modules = types.SimpleNamespace()
        for name in ("Segmentations", "Volumes", "Colors", "Tables", "Plots", "Markups", "Sequences"):
            logic = self.app.applicationLogic().GetModuleLogic(name)
            module = types.SimpleNamespace(name=name, logic=lambda logic=logic: logic)
            setattr(slicer.modules, name.lower(), module)
        terms = slicer.vtkSlicerTerminologiesModuleLogic()
        slicer.modules.terminologies = types.SimpleNamespace(name="Terminologies", logic=lambda: terms)
        source = slicer_source()
        slicer.__path__.append(str(source or _STAND_INS))
        sys.path.insert(0, str(_STAND_INS / "modules"))

    def load(self, path: Path) -> Any:
        """What the application does at start-up: import the file and make the module object."""
        name = path.stem
        sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(name, path)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        instance = getattr(module, name)(ModuleParent(path))
        entry = types.SimpleNamespace(name=name, path=str(path), instance=instance)
        setattr(self.slicer.modules, name.lower(), entry)
        self.app._signals.emit("startupCompleted()")
        return module

    def open(self, name: str) -> Any:
        """The user chooses the module: its widget is made and set up the first time, then entered."""
        if name not in self.widgets:
            frame = self.slicer.qSlicerScriptedLoadableModuleWidget()
            frame.setLayout(self.qt.QVBoxLayout())
            frame.setMRMLScene(self.scene)
            widget = getattr(sys.modules[name], name + "Widget")(frame)
            widget.setup()
            self.widgets[name], self.frames[name] = widget, frame
            frame.show()
        self.frames[name].isEntered = True
        self.widgets[name].enter()
        return self.widgets[name]

    def leave(self, name: str) -> None:
        """The user chooses another module."""
        self.frames[name].isEntered = False
        self.widgets[name].exit()

    def unload(self, name: str) -> None:
        """The application quits or reloads the module."""
        self.app.moduleManager().emit("moduleAboutToBeUnloaded(QString)", name)
        self.widgets.pop(name)
        self.frames.pop(name).deleteLater()
        self.app.processEvents()

    def wait(self, condition: Callable[[], bool], seconds: float = 300.0) -> None:
        """Run the event loop until ``condition`` holds; raises TimeoutError."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"not within {seconds} s")
            self.app.processEvents()
            time.sleep(0.002)

    def stop(self) -> None:
        """Unload every module and give `slicer`, `qt` and `ctk` back as they were."""
        for name in list(self.widgets):
            self.leave(name)
            self.unload(name)
        self.scene.Clear(0)
        pythonqt.release()
        for name in set(vars(self.slicer)) - set(self._before):
            delattr(self.slicer, name)
        self.slicer.__path__[:] = self._path_before
        sys.path[:] = self._sys_path_before
        for name in ("qt", "ctk", "CardiacUQ", "SampleData", *(f"slicer.{n}" for n in _REPLACED)):
            sys.modules.pop(name, None)
        gone = ("slicer.parameterNodeWrapper", "CardiacUQWidgets")
        for name in [n for n in sys.modules if n.startswith(gone)]:
            sys.modules.pop(name)


def start(folder: Path | None = None, *, slice_views: bool = True) -> Host:
    """Start the host; ``folder`` takes settings and temporary files.

    ``slice_views=False`` leaves the views to a caller who draws them.
    """
    return Host(folder or Path(tempfile.mkdtemp(prefix="cardiacuq-host-")), slice_views)


def _placeholder(module: types.ModuleType, name: str) -> type:
    """A widget class that exists in Slicer only: good for comparing types, not for making one."""
    if not name.startswith(("q", "ctk")) or name == "qt":
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

    def refuse(self: object, *_: object) -> None:
        raise pythonqt.DialectError(f"{name}: the host has no such widget")

    cls = type(name, (), {"__init__": refuse, "__module__": module.__name__})
    setattr(module, name, cls)
    return cls


class StallMeter:
    """Longest time during which the GUI thread did not come back to its event loop, in seconds.

    ``longest_wall`` is by the clock; ``longest`` is without the time in which the thread was ready to run
    but had no processor, which says something about the machine and not about the module;
    ``longest_busy`` is processor time alone.
    """

    def __init__(self) -> None:
        self.longest = self.longest_wall = self.longest_busy = 0.0
        self._last, self._last_waited = time.monotonic(), _run_queue_seconds()
        self._last_busy = time.thread_time()
        self._timer = QtCore.QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(5)

    def _tick(self) -> None:
        now, waited = time.monotonic(), _run_queue_seconds()
        wall = now - self._last
        self.longest_wall = max(self.longest_wall, wall)
        self.longest = max(self.longest, wall - (waited - self._last_waited))
        self._last, self._last_waited = now, waited
        busy = time.thread_time()
        self.longest_busy = max(self.longest_busy, busy - self._last_busy)
        self._last_busy = busy

    def stop(self) -> float:
        self._timer.stop()
        return self.longest


def _run_queue_seconds() -> float:
    """Time this thread has waited for a processor so far; 0 where the system does not tell."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0
