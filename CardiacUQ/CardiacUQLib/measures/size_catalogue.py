"""Every reported size once: its key, label, DICOM code and formula, for labels and for passes alike.

A size that is added here gets its interval, is a headline of the report, a row of every table of sizes, a
measurement of the structured report and a column of a cohort.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..bundles.classes import private
from ..bundles.manifest import Code
from .anatomy import DENSITY_G_PER_ML

UNITS = {"ml": "ml", "g": "g", "percent": "%", "mm": "mm"}
"""Unit for people by the last part of a key."""


class Scan(enum.StrEnum):
    """What is measured together; the value is the ``kind`` in ``measures.json``."""

    LGE = "lge"
    FRAME = "cine_frame"
    PAIR = "cine"
    """End-diastole and end-systole, in this order."""


@dataclass(frozen=True, eq=False)
class Structures:
    """Volumes in ml, one for each label map or pass (n,); ``wall`` holds the infarct, ``infarct`` the MVO.

    None where the label set does not know the structure.
    """

    cavity: np.ndarray
    wall: np.ndarray
    infarct: np.ndarray | None = None
    mvo: np.ndarray | None = None
    rv: np.ndarray | None = None

    def known(self, name: str) -> np.ndarray:
        """The volumes of a structure that is known; raises ValueError where it is not."""
        volumes: np.ndarray | None = getattr(self, name)
        if volumes is None:
            raise ValueError(f"the label set knows no {name}")
        return volumes


@dataclass(frozen=True)
class SizeInfo:
    """One size; ``key`` ends in its unit and is the name in ``measures.json`` and in calibrations, for ever.

    ``formula`` takes the :class:`Structures` of a scan, those of end-diastole and end-systole for a pair,
    and gives (n,), NaN where undefined. Where the label set does not know one of ``needs``, there is no such
    size. ``same_as`` names the size that this is in another unit, and the factor: such a size is not fitted.
    ``doubted`` names the lesion whose doubtful voxels decide how far the size may be off.
    """

    key: str
    label: str
    code: Code
    scans: tuple[Scan, ...]
    formula: Callable[..., np.ndarray]
    needs: tuple[str, ...] = ()
    same_as: tuple[str, float] | None = None
    doubted: str = ""


def unit_of(key: str) -> str:
    """Unit for people, from the last part of a key: ``lv_mass_g`` gives g."""
    return UNITS[key.rsplit("_", 1)[-1]]


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Shares in percent, NaN where the whole is nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, 100.0 * part / whole, np.nan)


def _cavity(at: Structures, *_: Structures) -> np.ndarray:
    return at.cavity


def _lv_mass(at: Structures, *_: Structures) -> np.ndarray:
    return DENSITY_G_PER_ML * at.wall


def _of(name: str) -> Callable[..., np.ndarray]:
    return lambda at, *_: at.known(name)


def _share(part: str, whole: str) -> Callable[..., np.ndarray]:
    return lambda at: share(at.known(part), at.known(whole))


def _end_systolic(name: str) -> Callable[..., np.ndarray]:
    return lambda ed, es: es.known(name)


def _stroke(name: str) -> Callable[..., np.ndarray]:
    return lambda ed, es: ed.known(name) - es.known(name)


def _ejection(name: str) -> Callable[..., np.ndarray]:
    return lambda ed, es: share(ed.known(name) - es.known(name), ed.known(name))


_LGE, _FRAME, _PAIR = (Scan.LGE,), (Scan.FRAME,), (Scan.PAIR,)


def _loinc(value: str, meaning: str) -> Code:
    return Code("LN", value, meaning)


_LV_POOL = private("LVPOOL", "Left ventricular blood pool volume")

SIZES: tuple[SizeInfo, ...] = (
    SizeInfo("lv_volume_ml", "LV volume", _LV_POOL, _FRAME, _cavity),
    SizeInfo(
        "edv_ml",
        "LV end-diastolic volume",
        _loinc("8821-1", "Left Ventricular ED Volume"),
        _PAIR,
        _cavity,
    ),
    SizeInfo(
        "esv_ml",
        "LV end-systolic volume",
        _loinc("8823-7", "Left Ventricular ES Volume"),
        _PAIR,
        _end_systolic("cavity"),
    ),
    SizeInfo("sv_ml", "LV stroke volume", Code("SCT", "90096001", "Stroke Volume"), _PAIR, _stroke("cavity")),
    SizeInfo(
        "ef_percent",
        "LV ejection fraction",
        _loinc("8811-2", "Left ventricular ejection fraction by MR"),
        _PAIR,
        _ejection("cavity"),
    ),
    SizeInfo("lv_mass_g", "LV mass", _loinc("18087-7", "Left Ventricle Mass"), tuple(Scan), _lv_mass),
    SizeInfo(
        "rv_volume_ml",
        "RV volume",
        private("RVPOOL", "Right ventricular blood pool volume"),
        _FRAME,
        _of("rv"),
        needs=("rv",),
    ),
    SizeInfo(
        "rv_edv_ml",
        "RV end-diastolic volume",
        _loinc("8822-9", "Right Ventricular ED Volume"),
        _PAIR,
        _of("rv"),
        needs=("rv",),
    ),
    SizeInfo(
        "rv_esv_ml",
        "RV end-systolic volume",
        _loinc("8824-5", "Right Ventricular ES Volume"),
        _PAIR,
        _end_systolic("rv"),
        needs=("rv",),
    ),
    SizeInfo(
        "rv_sv_ml",
        "RV stroke volume",
        Code("SCT", "429483009", "RV Stroke Volume"),
        _PAIR,
        _stroke("rv"),
        needs=("rv",),
    ),
    SizeInfo(
        "rv_ef_percent",
        "RV ejection fraction",
        _loinc("8818-7", "Right ventricular ejection fraction by MR"),
        _PAIR,
        _ejection("rv"),
        needs=("rv",),
    ),
    SizeInfo(
        "infarct_volume_ml",
        "Infarct volume",
        private("INFVOL", "Infarct volume"),
        _LGE,
        _of("infarct"),
        needs=("infarct",),
        doubted="infarct",
    ),
    SizeInfo(
        "infarct_mass_g",
        "Infarct mass",
        private("INFMASS", "Infarct mass"),
        _LGE,
        lambda at: DENSITY_G_PER_ML * at.known("infarct"),
        needs=("infarct",),
        same_as=("infarct_volume_ml", DENSITY_G_PER_ML),
        doubted="infarct",
    ),
    SizeInfo(
        "infarct_share_of_lv_percent",
        "Infarct share of LV mass",
        private("INFSHARE", "Infarct share of left ventricular mass"),
        _LGE,
        _share("infarct", "wall"),
        needs=("infarct",),
        doubted="infarct",
    ),
    SizeInfo(
        "mvo_volume_ml",
        "MVO volume",
        private("MVOVOL", "Microvascular obstruction volume"),
        _LGE,
        _of("mvo"),
        needs=("mvo",),
        doubted="MVO",
    ),
    SizeInfo(
        "mvo_share_of_infarct_percent",
        "MVO share of infarct",
        private("MVOINF", "Microvascular obstruction share of infarct"),
        _LGE,
        _share("mvo", "infarct"),
        needs=("infarct", "mvo"),
    ),
    SizeInfo(
        "mvo_share_of_lv_percent",
        "MVO share of LV mass",
        private("MVOLV", "Microvascular obstruction share of LV mass"),
        _LGE,
        _share("mvo", "wall"),
        needs=("mvo",),
        doubted="MVO",
    ),
    SizeInfo("blood_pool_volume_ml", "Blood pool volume", _LV_POOL, _LGE, _cavity),
)
"""In the order in which they are told."""


def check_sizes(sizes: tuple[SizeInfo, ...] = SIZES) -> None:
    """Raise ValueError, naming the size, for the first wrong or double entry."""
    keys: set[str] = set()
    labels: set[str] = set()
    one = Structures(*(np.array([float(n)]) for n in (5, 4, 3, 2, 1)))
    for info in sizes:
        if info.key in keys or info.label in labels:
            raise ValueError(f"size {info.key}: there are two of this key or label")
        if not info.label or info.key.rsplit("_", 1)[-1] not in UNITS:
            raise ValueError(
                f"size {info.key}: it needs a label, and a key that ends in one of {list(UNITS)}"
            )
        if info.same_as is not None and info.same_as[0] not in keys:
            raise ValueError(f"size {info.key}: {info.same_as[0]} must stand before it")
        for scan in info.scans:
            if np.shape(info.formula(*(one, one)[: 2 if scan is Scan.PAIR else 1])) != (1,):
                raise ValueError(f"size {info.key}: its formula must give one value per label map or pass")
        keys.add(info.key)
        labels.add(info.label)
