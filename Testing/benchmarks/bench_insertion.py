"""How far the insertion of the right ventricle is off when it is found on LGE without a label for it.

    python Testing/benchmarks/bench_insertion.py --data DIR

LGE training labels know no right ventricle. In late-enhancement images as in cine, though, blood is brighter
than healthy muscle, so the cine ensemble, which never saw an LGE image, is asked for the right ventricle, and
the LGE cascade for the left one. The angle is compared with that of the reader's labels of both ventricles
(MyoPS 2020), in degrees.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "CardiacUQ")]

from CardiacUQLib.bundles.bundle import Bundle, load_bundle  # noqa: E402
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES  # noqa: E402
from CardiacUQLib.inference.segment import segment  # noqa: E402
from CardiacUQLib.measures.aha import insertion_from_rv  # noqa: E402
from CardiacUQLib.measures.anatomy import anatomy_of  # noqa: E402
from CardiacUQTraining.datasets import open_dataset  # noqa: E402
from CardiacUQTraining.datasets.case import LabelledCase  # noqa: E402

BOTH_VENTRICLES = {0: 0, 200: 2, 500: 3, 600: 1, 1220: 2, 2221: 2}
"""MyoPS labels as those of a cine frame."""
RV = 1


@dataclass(frozen=True)
class Found:
    """Angles of one case in degrees, the reader's and ours; None where no insertion was found."""

    reader: float | None
    ours: float | None

    @property
    def error(self) -> float:
        """Between 0 and 180 degrees, NaN where one of them is missing."""
        if self.reader is None or self.ours is None:
            return float("nan")
        return abs((self.ours - self.reader + 180) % 360 - 180)


def insertion(case: LabelledCase, lge: Bundle, cine: Bundle) -> Found:
    """Compare one case; one view of every fold of the cine ensemble."""
    volume, _ = case.load()
    _, labels = replace(case, label_map=BOTH_VENTRICLES, merged={}).load()
    truth = insertion_from_rv(anatomy_of(labels, CINE_CLASSES, volume.geometry), volume.geometry)
    right = segment(volume, cine, device="cpu", views=cine.manifest.views[:1]).segmentation == RV
    left = anatomy_of(segment(volume, lge, device="cpu").segmentation, LGE_CLASSES, volume.geometry)
    ours = insertion_from_rv(
        replace(left, infarct=None, mvo=None, rv=right & ~left.left_ventricle), volume.geometry
    )
    return Found(None if truth is None else truth[0], None if ours is None else ours[0])


def main() -> None:
    """Print one line per case and the figures of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of MyoPS 2020")
    parser.add_argument("--lge", default="lge-cascade")
    parser.add_argument("--cine", default="cine-streaming")
    options = parser.parse_args()
    lge, cine, errors = load_bundle(options.lge), load_bundle(options.cine), []
    for case in open_dataset("myops", options.data, complete=False).cases:
        try:
            found = insertion(case, lge, cine)
        except Exception as error:  # one broken case must not cost the others
            print(f"{case.id}: {type(error).__name__}: {error}")
            continue
        errors.append(found.error)
        print(f"{case.id}: reader {found.reader}, ours {found.ours}, off by {found.error:.1f}")
    known = np.array(errors)[~np.isnan(errors)]
    print(
        f"found in {len(known)} of {len(errors)}; off by {np.median(known):.1f} degrees in the median, "
        f"{np.percentile(known, 90):.1f} at 90 %"
    )


if __name__ == "__main__":
    main()
