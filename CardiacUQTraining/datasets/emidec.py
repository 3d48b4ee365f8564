"""EMIDEC's own layout: ``Case_X/Images/Case_X.nii.gz`` with ``Case_X/Contours/Case_X.nii.gz``."""

from __future__ import annotations

from pathlib import Path

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.bundles.classes import LGE_CLASSES

from .case import LabelledCase, LabelledDataset, require_pair

LABELS = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4}


def emidec_dataset(folder: Path, complete: bool = True) -> LabelledDataset:
    """All ``Case_*`` folders in alphabetical order; the letter after ``Case_`` is the group (N, P).

    ``complete`` False also lists cases that lack a file; reading them then raises InputError.
    """
    cases = []
    for case in sorted(p for p in folder.glob("Case_*") if p.is_dir()):
        image = case / "Images" / f"{case.name}.nii.gz"
        label = case / "Contours" / f"{case.name}.nii.gz"
        if complete:
            require_pair(image, label)
        group = case.name.removeprefix("Case_")[:1]
        cases.append(LabelledCase(case.name, group, image, label, LABELS))
    if not cases:
        raise InputError(
            folder, "holds no EMIDEC case", "expected Case_X/Images/Case_X.nii.gz and Case_X/Contours"
        )
    return LabelledDataset("emidec", LGE_CLASSES, tuple(cases))
