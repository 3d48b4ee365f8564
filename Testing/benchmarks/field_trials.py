"""The trials of :mod:`bench_field_cases`: command, what an earlier version did, how to tell what is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

CINE = "--model cine-streaming"
LGE_ML, LV_ML, RV_ML = {"blood pool": 136.1, "infarct": 44.5}, 122.0, 184.3
SHARE, QUICK_SHARE = 0.03, 0.15
"""The right values were measured with all folds of an earlier version of the bundles."""


@dataclass(frozen=True)
class Ran:
    """How the command ended, and ``measured`` by case."""

    code: int
    out: str
    err: str
    measured: Mapping[str, Any]
    share: float = SHARE
    """How far from the right value a volume may lie, of it."""

    @property
    def said(self) -> str:
        """Everything that was shown."""
        return self.out + self.err

    def volume(self, name: str, structure: str) -> float:
        """A volume of a case in ml."""
        return float(self.measured[name]["volumes_ml"][structure])

    def near(self, name: str, structure: str, right_ml: float) -> bool:
        """Whether a volume is what it should be."""
        return abs(self.volume(name, structure) - right_ml) <= self.share * right_ml

    def headlines(self) -> str:
        """The headline of every case or study; the last line of the message where there is none."""
        lines = {str(one["headline"]): None for one in self.measured.values() if one.get("headline")}
        return "; ".join(lines) or (self.said.strip().splitlines() or [""])[-1]


@dataclass(frozen=True)
class Trial:
    """``arguments`` of ``cardiacuq``, OUT standing for the folder of results; ``goes_on`` keeps those of the
    trial before; ``made_with`` are words for ``make.py``."""

    case: str
    arguments: str
    before: str
    right: Callable[[Ran], bool]
    name: str = ""
    goes_on: bool = False
    made_with: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    show: Callable[[Ran], str] = Ran.headlines


def _lge(name: str, note: str = "") -> Callable[[Ran], bool]:
    def right(ran: Ran) -> bool:
        same = all(ran.near(name, one, ml) for one, ml in LGE_ML.items())
        return ran.code == 0 and same and note in ran.said

    return right


def _film(name: str, edv_ml: float = LV_ML, note: str = "") -> Callable[[Ran], bool]:
    def right(ran: Ran) -> bool:
        return ran.code == 0 and ran.near(f"{name}_ED", "LV", edv_ml) and note in ran.said

    return right


def _stack(name: str) -> Callable[[Ran], bool]:
    def right(ran: Ran) -> bool:
        same = ran.near(name, "LV", LV_ML) and ran.near(name, "RV", RV_ML)
        return ran.code == 0 and same

    return right


def _ended(code: int, *words: str) -> Callable[[Ran], bool]:
    return lambda ran: ran.code == code and all(word in ran.said for word in words)


def _warned(*words: str) -> Callable[[Ran], bool]:
    """Done with these words on the terminal and no trust in the result, or refused with them."""
    return lambda ran: ran.code in (0, 3) and all(word in ran.said for word in words)


def _last(ran: Ran) -> str:
    return f"exit {ran.code}: {(ran.said.strip().splitlines() or ['done'])[-1]}"


def _all_done(*names: str) -> Callable[[Ran], bool]:
    return lambda ran: ran.code == 0 and len(ran.measured) == len(names) and "internal" not in ran.said


def _film_of_a_batch(*names: str) -> Callable[[Ran], bool]:
    return lambda ran: ran.code == 0 and all(ran.near(f"{n}_ED", "LV", 106.0) for n in names)


def _done_again(ran: Ran) -> bool:
    return ran.code == 0 and "finished before" not in ran.said


SEGMENT_FILM = f"-o OUT {CINE}"
TRIALS = (
    Trial("02", f"segment pix0.nii.gz {SEGMENT_FILM}", "EDV 5 ml", _film("pix0")),
    Trial("02", f"segment pix0_3d.nii.gz {SEGMENT_FILM}", "LV 122 ml", _stack("pix0_3d")),
    Trial("03", f"segment shear.nii.gz {SEGMENT_FILM}", "refused", _film("shear")),
    Trial("03", f"segment gzipped_without_gz.nii {SEGMENT_FILM}", "refused", _film("gzipped_without_gz")),
    Trial("04", f"segment cine.seq.nrrd {SEGMENT_FILM}", "refused", _film("cine")),
    Trial(
        "05",
        f"segment begins_in_systole.nii.gz {SEGMENT_FILM}",
        "EF 33 %, EDV 107 ml, silent",
        _film("begins_in_systole", note="frame 5"),
    ),
    Trial("07", f"segment p1 p2 {SEGMENT_FILM}", "both refused", _film_of_a_batch("p1", "p2")),
    Trial("07", f"segment list.csv {SEGMENT_FILM}", "both refused", _film_of_a_batch("A", "B")),
    Trial("07", f"segment p1 {SEGMENT_FILM}", "EF 33 %, EDV 106 ml", _film_of_a_batch("p1")),
    Trial("09", "segment ct -o OUT", "infarct 44.5 ml, silent", _warned("CT, not MR"), show=_last),
    Trial("09", "segment long_axis -o OUT", "the same, silent", _warned("90 degrees"), show=_last),
    Trial("09", "segment brain.nii.gz -o OUT", "infarct 19 %, silent", _ended(3, "brain"), show=_last),
    Trial(
        "09",
        f"segment brain4d.nii.gz {SEGMENT_FILM}",
        "EF 50 %, EDV 0 ml",
        lambda ran: ran.code in (0, 3) and "EF" not in ran.headlines(),
        show=_last,
    ),
    Trial(
        "10",
        "segment eye_affine.nii.gz -o OUT",
        "blood pool 5.9 ml, silent",
        _warned("voxel size was probably lost"),
        show=_last,
    ),
    Trial(
        "10",
        "segment no_space.nrrd -o OUT",
        "blood pool 6.4 ml, silent",
        _warned("voxel size was probably lost"),
        show=_last,
    ),
    Trial(
        "12",
        "segment x/padded.nii.gz -o OUT",
        "blood pool 67.6 ml elsewhere, Dice 0",
        lambda ran: ran.code == 0 and ran.near("padded", "blood pool", 66.1) and "padding" in ran.said,
    ),
    Trial("13", "segment no_preamble -o OUT", "refused", _lge("no_preamble")),
    Trial("13", "segment data_set_only -o OUT", "refused", _lge("data_set_only")),
    Trial("14", "segment scan -o OUT", "refused", _lge("scan")),
    Trial("16", "segment japanese -o OUT --dicom", "crash, nothing kept", _lge("japanese")),
    Trial("16", "segment stripped -o OUT", "infarct 44.5 ml", _lge("stripped")),
    Trial(
        "16",
        "dicom OUT/stripped stripped -o OUT/x",
        "crash",
        _ended(3, "UID"),
        goes_on=True,
        show=_last,
    ),
    Trial("17", "segment scan -o OUT", "infarct 44.5 ml", _lge("scan")),
    *(
        Trial("17", f"{what} OUT/scan{more}", "refused", _ended(0), goes_on=True, show=_last)
        for what, more in (("report", ""), ("measure", ""), ("dicom", " scan -o OUT/x"))
    ),
    Trial("18", "segment as_dcm2niix.nii.gz -o OUT", "infarct 44.5 ml", _lge("as_dcm2niix")),
    Trial("18", "dicom OUT/as_dcm2niix series -o OUT/x", "refused", _ended(0), goes_on=True, show=_last),
    Trial(
        "19",
        "segment scans -o OUT --no-report",
        "crash, two of four done",
        _all_done("a", "b", "c", "d"),
        environment={"PYTHONIOENCODING": "cp1252"},
    ),
    Trial("20", "segment scans -o OUT --no-report", "done", _all_done("list", "pattern")),
    Trial(
        "20",
        "segment scans -o OUT --no-report --resume",
        "old result kept",
        _done_again,
        name="segment --resume after every voxel file has changed",
        goes_on=True,
        made_with=("changed",),
        show=_last,
    ),
    Trial("21", f"segment positive.nii.gz {SEGMENT_FILM}", "RV 184 ml", _stack("positive")),
    Trial("21", f"segment negative.nii.gz {SEGMENT_FILM}", "RV 0 ml, elsewhere", _stack("negative")),
    Trial("22", "segment gap_10_5_mm -o OUT", "refused", _lge("gap_10_5_mm", note="mean distance")),
    Trial("22", "segment slice_taken_twice -o OUT", "refused", _lge("slice_taken_twice", note="taken again")),
    Trial("23", "segment scan -o OUT", "refused", _lge("scan", note="PSIR")),
    Trial("23", "segment scan -o OUT --series magnitude", "refused", _lge("scan", note="magnitude")),
)
