"""What the world calls the tissues that we segment: names of foreign labels, brought to our classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.bundles.manifest import ClassInfo

BACKGROUND, BLOOD_POOL, MYOCARDIUM, INFARCT, MVO, RV = (
    "background",
    "blood pool",
    "healthy myocardium",
    "infarct",
    "MVO",
    "RV",
)
_NAMES: Mapping[str, tuple[str, ...]] = {
    BACKGROUND: ("background", "bg", "rest", "other"),
    BLOOD_POOL: (
        "blood pool", "lv", "lvc", "lv cavity", "cavity", "lv blood pool", "left ventricle", "lv bp",
    ),
    MYOCARDIUM: (
        "healthy myocardium", "normal myocardium", "myocardium", "myo", "lvm", "lv myocardium", "lv wall",
        "wall", "left ventricular myocardium", "oedema", "edema",
    ),
    INFARCT: (
        "infarct", "infarction", "scar", "myocardial infarction", "mi", "lge", "enhancement", "fibrosis",
    ),
    MVO: ("mvo", "no reflow", "noreflow", "microvascular obstruction"),
    RV: ("rv", "right ventricle", "rvc", "rv cavity", "rv blood pool", "right ventricular cavity"),
}  # fmt: skip
"""Oedema counts as myocardium: late enhancement does not show it."""


@dataclass(frozen=True)
class Translation:
    """How label values of a file become ours: their classes, the table, and classes that are not told apart
    (see :class:`LabelledCase`)."""

    classes: tuple[ClassInfo, ...]
    label_map: Mapping[int, int]
    merged: Mapping[int, int]


def translate(labels: Mapping[int, str], source: Path) -> Translation:
    """The translation of ``labels`` (file's value: its name), by names and common synonyms in English.

    An infarct or MVO makes it late enhancement, in which a right ventricle is background; else it must be
    cine: RV, myocardium and cavity. Without an MVO label its dark core is part of the infarct. Raises
    :class:`InputError` naming the label that is not understood, or the class that is missing.
    """
    known = {value: _class_of(name, source) for value, name in labels.items()} | {0: BACKGROUND}
    found = set(known.values())
    if found & {INFARCT, MVO}:
        _require({BLOOD_POOL, MYOCARDIUM, INFARCT}, found, source, "late enhancement")
        ours = {info.name: info.value for info in LGE_CLASSES} | {RV: 0}
        merged = {} if MVO in found else {ours[MVO]: ours[INFARCT]}
        return Translation(LGE_CLASSES, {value: ours[name] for value, name in known.items()}, merged)
    _require({BLOOD_POOL, MYOCARDIUM, RV}, found, source, "cine")
    ours = {BACKGROUND: 0, RV: 1, MYOCARDIUM: 2, BLOOD_POOL: 3}
    return Translation(CINE_CLASSES, {value: ours[name] for value, name in known.items()}, {})


def _class_of(name: str, source: Path) -> str:
    plain = " ".join(re.sub(r"[^a-z]+", " ", name.lower()).split())
    for ours, names in _NAMES.items():
        if plain in names:
            return ours
    allowed = ", ".join(name for name in _NAMES)
    raise InputError(source, f"calls a label '{name}'", f"expected one of {allowed}, or a common name of it")


def _require(wanted: set[str], found: set[str], source: Path, what: str) -> None:
    if missing := sorted(wanted - found):
        problem = f"labels no {missing[0]}, which {what} needs"
        raise InputError(source, problem, "a model learns only from cases in which every class is labelled")
