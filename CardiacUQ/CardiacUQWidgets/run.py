"""One segmentation in a child process: start it, look after it from a timer, hand the finished case over.

No Qt here. The case folders are read in a thread, so that a tick never takes longer than the pipe's
few waiting lines.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from CardiacUQLib.base.errors import CardiacUQError
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.childprocess import ChildProcess, State
from CardiacUQLib.review import CaseMaps

PREVIEW_SUFFIX = ".preview"
STUDY_SUFFIX = "_cine.json"
_CASE_FILE = "case.json"


@dataclass(frozen=True)
class FilmOptions:
    """A whole film: frames of end-diastole and end-systole, counted from 0; None where it is to be found."""

    ed: int | None = None
    es: int | None = None


@dataclass(frozen=True)
class RunOptions:
    """What is computed and how; ``folds`` as the user typed them, empty for all.

    ``rv_insertion_ras`` (mm on the grid of the volume) is where AHA segments are counted from; ``film``
    asks for a cine study of a film, ``end_systole``, a volume node, for one of it and the chosen volume;
    ``probabilities`` for those of the classes; ``keep_unlike`` for a result where nothing like a heart is.
    """

    model: Path
    device: str = "auto"
    folds: str = ""
    flips: bool = True
    preview: bool = True
    rv_insertion_ras: tuple[float, float, float] | None = None
    film: FilmOptions | None = None
    end_systole: Any = None
    probabilities: bool = False
    keep_unlike: bool = False

    @property
    def is_study(self) -> bool:
        """True if two phases are segmented together."""
        return self.film is not None or self.end_systole is not None


@dataclass(frozen=True)
class Tick:
    """What has happened since the last tick; ``case`` is a preview unless ``final``; ``study`` is the
    summary of a cine study that is finished."""

    state: State
    share: float
    comment: str
    lines: tuple[str, ...] = ()
    case: CaseMaps | None = None
    final: bool = False
    study: Path | None = None


class SegmentationRun:
    """A run from the volume's file to a case folder below ``results``.

    Everything is made in a working folder beside the results; the finished case folder is moved out of
    it and the rest removed, whatever the outcome. An image that had to be written for the child stays
    in ``results/images`` if the run succeeds: the case can then be opened again without the scene.
    """

    def __init__(self, name: str, results: Path, options: RunOptions) -> None:
        self.name = _file_name(name)
        self.results = results
        self.options = options
        self.error = ""
        self.case_folder: Path | None = None
        self._work = results / f".running-{uuid.uuid4().hex[:12]}"
        self._images: list[Path] = []
        self._child: ChildProcess | None = None
        self._reader: _Reader | None = None
        self._preview_taken = not options.preview or options.is_study
        self._study: Path | None = None
        if options.is_study:
            self.name = _free_name(results, self.name)
        self._state = State.IDLE

    @property
    def state(self) -> State:
        """Running until the case has been handed over, not only until the child has ended."""
        return self._state

    @property
    def child(self) -> ChildProcess | None:
        """The child process, None before the start."""
        return self._child

    def start(
        self,
        write_inputs: Sequence[Callable[[Path], Path]],
        python: str,
        environment: Mapping[str, str],
        module_folder: Path,
        take_waiting: Callable[[Sequence[str]], ChildProcess | None] | None = None,
    ) -> None:
        """Write the input and launch the child; raises OSError or CardiacUQError with nothing left over.

        Each of ``write_inputs`` returns the file of a volume: one that exists, or one it writes to the path
        it gets. The second is end-systole of a pair.
        ``take_waiting`` gives the arguments to a child that is there already, None if there is none.
        """
        try:
            self._work.mkdir(parents=True)
            suffix = ".nrrd" if self.options.film is None else ".nii"
            sources = []
            for write in write_inputs:
                image = self.results / "images" / f"{self.name}-{uuid.uuid4().hex[:8]}{suffix}"
                sources.append(write(image))
                self._images += [image] if sources[-1] == image else []
            arguments = self._arguments(*sources)
            self._child = None if take_waiting is None else take_waiting(arguments)
            if self._child is None:
                command = [python, "-m", "CardiacUQLib", *arguments]
                self._child = ChildProcess(command, environment=environment, folder=module_folder)
                self._child.start()
        except (OSError, CardiacUQError):
            self._tidy()
            raise
        self._state = State.RUNNING

    def tick(self) -> Tick:
        """Take in what the child and the reading thread have done; never waits."""
        assert self._child is not None, "start the run first"
        if self._state.final:
            return Tick(self._state, self._child.share, self._child.comment)
        update = self._child.poll()
        case, final = self._collect()
        if self._reader is None and not final:
            self._advance(update.state)
        study, self._study = self._study, None
        if case is not None and final:
            self._finish(State.COMPLETED)
        if update.state is State.CANCELLING:
            self._state = State.CANCELLING
        if self._state in (State.CANCELLING, State.CANCELLED, State.FAILED):
            case, final = None, False
        return Tick(self._state, update.share, update.comment, update.lines, case, final, study)

    def wait(self) -> CaseMaps:
        """For scripts: wait for the final case; raises CardiacUQError if the run fails."""
        while not self._state.final:
            tick = self.tick()
            if tick.final and tick.case is not None:
                return tick.case
            time.sleep(0.02)
        raise CardiacUQError(self.error or "the run was cancelled")

    def cancel(self) -> None:
        """Ask the child to stop; the following ticks make sure that it does."""
        if self._child is not None and not self._state.final:
            if self._child.state.final:
                self._finish(State.CANCELLED)
                return
            self._child.cancel()
            self._state = State.CANCELLING

    def stop(self) -> None:
        """End everything now: scene close, module exit."""
        if self._child is not None and not self._state.final:
            self._child.stop()
            self._finish(State.CANCELLED)

    def _arguments(self, source: Path, end_systole: Path | None = None) -> list[str]:
        options = self.options
        film = options.film
        # The frames of a film lie in its case folders, which therefore are made where they stay.
        place = self.results if options.is_study else self._work
        arguments = ["--input", str(source), "--output", str(place), "--name", self.name]
        arguments += ["--model", str(options.model), "--device", options.device, "--progress"]
        if options.folds.strip():
            arguments += ["--folds", options.folds.strip()]
        if options.probabilities:
            arguments.append("--probabilities")
        if options.keep_unlike:
            arguments.append("--keep-unlike")
        if not options.flips:
            arguments.append("--no-tta")
        if film is not None:
            arguments.append("--film")
            arguments += [] if film.ed is None else ["--ed", str(film.ed)]
            arguments += [] if film.es is None else ["--es", str(film.es)]
        elif end_systole is not None:
            arguments += ["--end-systole", str(end_systole)]
        elif options.preview:
            arguments.append("--preview")
        if options.rv_insertion_ras is not None:
            # One argument, since a first number below zero would look like an option.
            arguments.append("--rv-insertion=" + ",".join(f"{v:.3f}" for v in options.rv_insertion_ras))
        return arguments

    def _collect(self) -> tuple[CaseMaps | None, bool]:
        """The case that the reading thread has finished, and whether it is the final one."""
        if self._reader is None or self._reader.is_alive():
            return None, False
        reader, self._reader = self._reader, None
        if reader.error is None:
            return reader.case, reader.final
        if reader.final:
            self._fail(str(reader.error))
        return None, False

    def _advance(self, child_state: State) -> None:
        """Start what comes next: reading the preview, reading the case, or the end."""
        if child_state is State.COMPLETED and not self._state.final:
            self._take_result()
        elif child_state is State.FAILED:
            assert self._child is not None
            self._fail(self._child.failure())
        elif child_state is State.CANCELLED:
            self._finish(State.CANCELLED)
        elif not self._preview_taken and (self._preview / _CASE_FILE).exists():
            self._preview_taken = True
            self._reader = _Reader(self._preview, final=False)
            self._reader.start()

    @property
    def _preview(self) -> Path:
        return self._work / (self.name + PREVIEW_SUFFIX)

    def _take_result(self) -> None:
        """Move the finished case folder to its place and read it from there; a study is in its place."""
        if self.options.is_study:
            self._study = self.case_folder = self.results / f"{self.name}{STUDY_SUFFIX}"
            self._finish(State.COMPLETED)
            return
        try:
            self.case_folder = _move(self._work / self.name, self.results)
        except OSError as error:
            self._fail(f"{self.results}: the case folder could not be stored ({error}); choose another")
            return
        self._reader = _Reader(self.case_folder, final=True)
        self._reader.start()

    def _fail(self, line: str) -> None:
        self.error = line
        self._finish(State.FAILED)

    def _finish(self, state: State) -> None:
        self._state = state
        self._reader = None
        self._tidy()

    def _tidy(self) -> None:
        shutil.rmtree(self._work, ignore_errors=True)
        for image in self._images if self.case_folder is None else ():
            with contextlib.suppress(OSError):
                image.unlink(missing_ok=True)
                image.parent.rmdir()  # only if empty


class _Reader(threading.Thread):
    """Reads one case folder."""

    def __init__(self, folder: Path, *, final: bool) -> None:
        super().__init__(daemon=True)
        self.folder, self.final = folder, final
        self.case: CaseMaps | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            # A case folder reads its arrays when asked; plain arrays keep the GUI thread from files.
            self.case = CaseMaps.of(read_case(self.folder))
            _ = self.case.bullseyes, self.case.component_boxes, self.case.foreground  # drawn and found here
        except (CardiacUQError, OSError) as error:
            self.error = error


def _move(folder: Path, results: Path) -> Path:
    """Move a case folder to ``results`` without replacing one that is there."""
    target, number = results / folder.name, 2
    while True:
        with contextlib.suppress(FileExistsError):
            if not target.exists():
                return folder.rename(target)
        target, number = results / f"{folder.name} ({number})", number + 1


def _free_name(results: Path, name: str) -> str:
    """A name under which no study is stored yet."""
    found, number = name, 2
    while (results / f"{found}{STUDY_SUFFIX}").exists() or (results / f"{found}_ED").exists():
        found, number = f"{name} ({number})", number + 1
    return found


def _file_name(name: str) -> str:
    """A node's name as the name of a folder on every system."""
    kept = "".join("_" if c in '<>:"/\\|?*' or ord(c) < 32 else c for c in name).strip(" .")
    return kept[:80] or "volume"
