"""MyoPS 2020's layout: ``CaseN/CaseN_LGE.nii.gz`` with ``CaseN/CaseN_gd.nii.gz``."""

from __future__ import annotations

from pathlib import Path

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.bundles.classes import LGE_CLASSES

from .case import LabelledCase, LabelledDataset, require_pair

LABELS = {0: 0, 200: 2, 500: 1, 600: 0, 1220: 2, 2221: 3}
"""Oedema (1220) counts as myocardium, the RV (600) as background."""
MERGED = {4: 3}
"""There is no MVO label: the dark core of an infarct is part of the scar."""


def myops_dataset(folder: Path, complete: bool = True) -> LabelledDataset:
    """All cases in alphabetical order, translated into the LGE classes.

    ``complete`` False also lists cases that lack a file; reading them then raises InputError.
    """
    cases = []
    for case in sorted(p for p in folder.glob("Case*") if p.is_dir()):
        image = case / f"{case.name}_LGE.nii.gz"
        label = case / f"{case.name}_gd.nii.gz"
        if complete:
            require_pair(image, label)
        cases.append(LabelledCase(case.name, "myops", image, label, LABELS, merged=MERGED))
    if not cases:
        raise InputError(
            folder, "holds no MyoPS case", "expected CaseN/CaseN_LGE.nii.gz and CaseN/CaseN_gd.nii.gz"
        )
    return LabelledDataset("myops", LGE_CLASSES, tuple(cases))
