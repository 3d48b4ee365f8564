"""The cases that the page offers, in order of need, and the few of them that are open."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from CardiacUQLib.base.errors import CardiacUQError, InputError, UsageError
from CardiacUQLib.base.json_file import read_object, read_text
from CardiacUQLib.cases.casefolder import CASE_FILE, MEASURES_FILE, CaseFolder, read_case
from CardiacUQLib.cases.places import places_in_record
from CardiacUQLib.cases.probabilities import NOT_STORED, ClassProbabilities, read_class_probabilities
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.report.publish import publish
from CardiacUQLib.review import CaseMaps, Review, read_queue, read_record
from CardiacUQLib.uncertainty.verdict import Verdict, Word

from .film import Film, find_film, frame_codes
from .grid import Greys, greys_of

MOST_OPEN = 3
"""Cases kept in memory: the one on the screen, the one before and the other phase of a cine."""

WORDS = ("redo", "check", "trust")
"""Verdicts, those that need a human first."""


@dataclass(frozen=True)
class Listed:
    """One line of the list, from the small files of a case alone; ``problem`` if they cannot be read."""

    number: int
    name: str
    headline: str = ""
    verdict: Mapping[str, str] | None = None
    regions: int = 0
    review: Mapping[str, Any] | None = None
    problem: str = ""


class OpenCase:
    """One case with its review; every use of the review holds :attr:`lock`.

    Scan, film and maps are read when first asked for, each on its own, so that none waits for another.
    """

    def __init__(self, folder: Path, reviewer: str) -> None:
        """Read the small files; raises InputError."""
        self.folder = folder
        self.case: CaseFolder = read_case(folder)
        self.reviewer = reviewer
        self.lock = threading.RLock()
        self.published = -1
        self._review: Review | None = None
        self._scan_lock = threading.Lock()
        self._greys: Greys | None = None
        self._film: Film | None = None
        self._frames: np.ndarray | None = None
        self._probabilities: ClassProbabilities | None = None

    @property
    def review(self) -> Review:
        """The review, resumed when first asked for; raises InputError.

        Its maps are in file order; what they were read through, and keeps them in slice order, is let go.
        """
        with self.lock:
            if self._review is None:
                read = CaseMaps.of(replace(self.case))
                self._review = Review(replace(read, case=self.case), self.reviewer)
            return self._review

    @property
    def maps(self) -> CaseMaps:
        """Labels, regions and maps."""
        return self.review.case

    @property
    def revision(self) -> int:
        """Counts everything that was ever done to the case."""
        return len(self.review.record.events)

    def greys(self) -> Greys:
        """The scan; raises InputError if it is gone, was changed or never was a file."""
        with self._scan_lock:
            if self._greys is None:
                self._greys = greys_of(_scan(self.case), self.case.storage)
            return self._greys

    def film(self) -> Film | None:
        """The cine that this phase was taken from, None without one."""
        if self._film is None:
            self._film = find_film(self.case)
        return self._film

    def film_codes(self) -> np.ndarray:
        """The frames of the film, uint16 (t, k, j, i) in the grey scale of the scan; raises InputError."""
        greys, film = self.greys(), self.film()
        with self._scan_lock:
            if self._frames is None:
                if film is None:
                    raise InputError(self.folder, "the case has no film", "show its own image")
                self._frames = frame_codes(film.read(), greys.low, greys.step)
            return self._frames

    def probabilities(self) -> ClassProbabilities:
        """Those of the classes; raises InputError where they were not stored or are damaged."""
        with self._scan_lock:
            if self._probabilities is None:
                self._probabilities = read_class_probabilities(self.folder, self.case.classes)
            if self._probabilities is None:
                raise InputError(self.folder, NOT_STORED, "segment the image again with --probabilities")
            return self._probabilities

    def stated(self, name: str) -> Any:
        """An entry of ``case.json`` that not every version of it has, None without one."""
        return _read(self.folder / CASE_FILE).get(name)

    def is_behind(self) -> bool:
        """True if another program has decided something since the review was read."""
        stored = read_record(self.folder)
        return stored is not None and not self.review.record.continues(stored)

    def begin_anew(self) -> None:
        """Take over what someone else has decided."""
        with self.lock:
            self.review.release()
            self._review = Review(self.maps, self.reviewer)

    def publish(self) -> bool:
        """Bring measures and report in line with the decisions, on a copy that nobody changes meanwhile.

        True if something was written; raises InputError.
        """
        with self.lock:
            record, revision = self.review.record, self.revision
        if revision == self.published:
            return False
        copy = Review(self.maps, self.reviewer, record=record)
        written = bool(publish(copy)) if revision else False
        self.published = revision
        return written


class Cases:
    """All cases of a folder by number; numbers are the only names that the page can use."""

    def __init__(self, out: Path, reviewer: str, exports: Path) -> None:
        """Find the cases below ``out`` (or ``out`` itself); raises InputError if there is none.

        Training cases go to ``exports``.
        """
        self.out = out
        self.reviewer = reviewer
        self.exports = exports
        self.folders = _folders(out)
        self._open: OrderedDict[int, OpenCase] = OrderedDict()
        self._lock = threading.Lock()

    def listed(self) -> list[Listed]:
        """The list as it stands on the disk now."""
        return [_listed(number, folder) for number, folder in enumerate(self.folders)]

    def open(self, number: int) -> OpenCase:
        """The case of this number; raises InputError if it cannot be read, UsageError if there is none."""
        if not 0 <= number < len(self.folders):
            raise UsageError(f"there is no case {number}")
        with self._lock:
            if number not in self._open:
                self._open[number] = OpenCase(self.folders[number], self.reviewer)
            self._open.move_to_end(number)
            case = self._open[number]
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
        return case

    def prepare(self, number: int) -> None:
        """Read the case of this number ahead, if there is one; what is wrong is told when it is opened."""
        with contextlib.suppress(CardiacUQError):
            case = self.open(number)
            case.review  # noqa: B018 - reads it
            case.greys()


def _folders(out: Path) -> tuple[Path, ...]:
    if (out / CASE_FILE).is_file():
        return (out.absolute(),)
    queue = [case.folder.absolute() for case in read_queue(out)]
    if not (out / "cohort.csv").is_file():
        queue.sort(key=lambda folder: _need(_read(folder / CASE_FILE)))
    return tuple(queue)


def _need(record: Mapping[str, Any]) -> int:
    word = _verdict(record)
    return WORDS.index(word["word"]) if word and word["word"] in WORDS else len(WORDS)


def _listed(number: int, folder: Path) -> Listed:
    record, measures = _read(folder / CASE_FILE), _read(folder / MEASURES_FILE)
    if not record or not isinstance(measures, dict):
        return Listed(number, folder.name, problem="its files cannot be read")
    review, places = measures.get("review"), places_in_record(record)
    return Listed(
        number=number,
        name=folder.name,
        headline=str(measures.get("headline", "")),
        verdict=_verdict(record),
        regions=_rows(folder / "components.csv") if places is None else places,
        review=review if isinstance(review, dict) else None,
    )


def _verdict(record: Mapping[str, Any]) -> dict[str, str] | None:
    """ "trust", "check" or "redo" with its reason, where the bundle could say so."""
    found = record.get("verdict")
    if not isinstance(found, dict) or not found.get("word"):
        return None
    word = str(found["word"]).lower()
    advice = Verdict(Word(word), "", found.get("risk")).advice if word in WORDS else ""
    return {"word": word, "reason": str(found.get("reason", "")), "advice": advice}


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_object(path, "segment the image again")
    except InputError:
        return {}


def _rows(path: Path) -> int:
    try:
        text = read_text(path, "segment the image again")
        return max(0, sum(1 for line in text.splitlines() if line) - 1)
    except InputError:
        return 0


def _scan(case: CaseFolder) -> np.ndarray:
    """The scan in slice order, float32."""
    if case.input_path is None:
        raise InputError(case.name, "the scan never was a file", "its slices cannot be shown")
    volume = read_volume(case.input_path, series=case.record.series or None)
    if volume.sha256 != case.input_sha256 or volume.geometry.size != case.geometry.size:
        raise InputError(case.input_path, "the scan was changed since it was segmented", "segment it again")
    return volume.array
