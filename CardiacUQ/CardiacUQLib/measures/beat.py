"""End-diastole and end-systole on the curve of the cavity over a heartbeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import InputError

GLITCH, FINE_BEAT = 0.5, 12
"""In a beat of that many frames no heart holds less than half of what it holds in both the frame before
and the frame after: there the model slipped."""
FIRST_FRAME_SLACK = 0.03
"""By how much another frame must be larger before end-diastole is not the first, where the ECG triggers."""

STILL = "the cavity hardly changes over the film; check that it shows a whole heartbeat"


@dataclass(frozen=True)
class Beat:
    """The frames of both phases, counted from 0, and what a reader should know about them."""

    ed: int
    es: int
    notes: tuple[str, ...] = ()


def find_phases(path: Path, cavity_ml: Sequence[float], ed: int | None = None, es: int | None = None) -> Beat:
    """End-diastole and end-systole of a film from the volume in ml of the cavity in every frame.

    The curve is closed, since the last frame is followed by the first. In a finely sampled beat it is
    smoothed, so that a frame in which the model slipped decides nothing. A phase that is named is taken as
    it is. Frames without a cavity (0 or NaN) are no phase. Raises InputError where fewer than two are left.
    """
    volumes = np.asarray(cavity_ml, float)
    usable = np.isfinite(volumes) & (volumes > 0)
    if len(volumes) >= FINE_BEAT:
        before, after = np.roll(volumes, 1), np.roll(volumes, -1)
        usable &= ~((volumes < GLITCH * before) & (volumes < GLITCH * after))
    if not usable.any():
        raise InputError(
            path, "no left ventricle was found in any frame", "check that this is a short-axis cine"
        )
    curve = _smooth(volumes, usable)
    found_ed = _largest(volumes, curve, usable, other_than=es)
    chosen_ed = found_ed if ed is None else ed
    found_es = _smallest(volumes, curve, usable, other_than=chosen_ed)
    if found_ed is None or found_es is None:
        named = "end-diastolic frame with --ed" if found_es is not None else "end-systolic frame with --es"
        problem = "a left ventricle was found in one frame only, so that there is no second phase"
        raise InputError(path, problem, f"name the {named}")
    chosen_es = found_es if es is None else es
    assert chosen_ed is not None
    return Beat(chosen_ed, chosen_es, tuple(_notes(volumes, found_ed, chosen_ed, found_es, chosen_es)))


def _smooth(volumes: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """The closed curve without gaps; in a fine beat the median of three and then (1, 2, 1) / 4."""
    places = np.arange(len(volumes))
    filled = np.interp(places, places[usable], volumes[usable], period=len(volumes))
    if len(volumes) < FINE_BEAT:
        return filled
    middle = np.median([np.roll(filled, 1), filled, np.roll(filled, -1)], axis=0)
    return (np.roll(middle, 1) + 2 * middle + np.roll(middle, -1)) / 4


def _near(place: int, usable: np.ndarray, other_than: int | None) -> np.ndarray:
    """Frames beside an extreme of the smooth curve among which the measured volumes decide."""
    reach = 1 if len(usable) >= FINE_BEAT else 0
    near = np.zeros(len(usable), bool)
    near[[(place + step) % len(usable) for step in range(-reach, reach + 1)]] = True
    return near & _free(usable, other_than)


def _free(usable: np.ndarray, other_than: int | None) -> np.ndarray:
    free = usable.copy()
    if other_than is not None:
        free[other_than] = False
    return free


def _smallest(
    volumes: np.ndarray, curve: np.ndarray, usable: np.ndarray, other_than: int | None
) -> int | None:
    free = _free(usable, other_than)
    if not free.any():
        return None
    lowest = int(np.where(free, curve, np.inf).argmin())
    return int(np.where(_near(lowest, usable, other_than), volumes, np.inf).argmin())


def _largest(
    volumes: np.ndarray, curve: np.ndarray, usable: np.ndarray, other_than: int | None
) -> int | None:
    """The largest; the first frame unless another is clearly larger."""
    free = _free(usable, other_than)
    if not free.any():
        return None
    highest = int(np.where(free, curve, -np.inf).argmax())
    if free[0] and curve[highest] <= (1 + FIRST_FRAME_SLACK) * curve[0]:
        return 0
    return int(np.where(_near(highest, usable, other_than), volumes, -np.inf).argmax())


def _notes(volumes: np.ndarray, found_ed: int, ed: int, found_es: int, es: int) -> list[str]:
    notes = [_left_out(unusable)] if (unusable := np.flatnonzero(~np.isfinite(volumes))).size else []
    if ed == found_ed != 0:
        notes.append(f"the film does not begin at end-diastole: frame {ed} is taken, not the first")
    for name, word, chosen, found in (("--ed", "larger", ed, found_ed), ("--es", "smaller", es, found_es)):
        if chosen != found and np.isfinite(volumes[chosen]):
            more = volumes[found] - volumes[chosen]
            if abs(more) > FIRST_FRAME_SLACK * volumes[found_ed] and (more > 0) == (word == "larger"):
                sizes = f"{volumes[found]:.0f} ml against {volumes[chosen]:.0f} ml"
                notes.append(f"{name} {chosen}: the cavity of frame {found} is {word}, {sizes}")
    if volumes[ed] - volumes[es] < FIRST_FRAME_SLACK * volumes[ed]:
        notes.append(STILL)
    return notes


def _left_out(frames: np.ndarray) -> str:
    numbers = ", ".join(map(str, frames))
    return f"no phase is sought in frame{'s' * (len(frames) > 1)} {numbers}, where the image is incomplete"
