"""How many inputs that do not belong to an LGE bundle are flagged, kind by kind.

    python Testing/benchmarks/bench_wrong_inputs.py --lge DIR --cine DIR [--model lge-cascade] [--each 20]

Ten kinds (:mod:`wrong_inputs`) are made from labelled EMIDEC and ACDC cases. Each goes through the one
inference path with a single fold, in turn, as the fits were made; "far" counts those whose distance makes
every other figure void, "no heart" those that are refused. How often real cases are flagged falsely is in
the evaluation of the bundle.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from wrong_inputs import MAKERS, Source

from CardiacUQLib.base.threads import wait_politely

wait_politely()

from CardiacUQLib.bundles.bundle import load_bundle  # noqa: E402
from CardiacUQLib.bundles.resident import ResidentBundle  # noqa: E402
from CardiacUQLib.inference.explore import explore  # noqa: E402
from CardiacUQLib.inference.jobs import Job  # noqa: E402
from CardiacUQLib.uncertainty.assessment import Assessor  # noqa: E402
from CardiacUQLib.uncertainty.likeness import Likeness  # noqa: E402
from CardiacUQTraining.datasets import open_dataset  # noqa: E402

NUMBERS = re.compile(r",? (?:probability )?-?[\d.]+(?:e[-+]?\d+)?(?:,| does|$)")
"""Where the name of a trait ends."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lge", type=Path, required=True, help="folder of the EMIDEC cases")
    parser.add_argument("--cine", type=Path, required=True, help="folder of the ACDC patients")
    parser.add_argument("--model", default="lge-cascade")
    parser.add_argument("--each", type=int, default=20)
    asked = parser.parse_args()
    bundle = ResidentBundle.of(load_bundle(asked.model))
    source = Source(open_dataset("emidec", asked.lge).cases, open_dataset("acdc", asked.cine).cases)
    print("| kind | flagged | far | no heart | most often for |\n| --- | ---: | ---: | ---: | --- |")
    total = 0
    for kind in MAKERS:
        found = [likeness(bundle, source, kind, number) for number in range(asked.each)]
        flagged = [one for one in found if one.reasons]
        total += len(flagged)
        words = [NUMBERS.split(one.reasons[0])[0] for one in flagged]
        often = max(set(words), key=words.count) if words else ""
        counts = (len(flagged), sum(one.far for one in found), sum(one.no_heart for one in found))
        print(f"| {kind} | {' | '.join(map(str, counts))} | {often} |", flush=True)
    print(f"\n{total} of {len(MAKERS) * asked.each} flagged")


def likeness(bundle: ResidentBundle, source: Source, kind: str, number: int) -> Likeness:
    """How like the training scans one wrong input is."""
    manifest = bundle.manifest
    folds = (manifest.folds[number % len(manifest.folds)],)
    job = Job(MAKERS[kind](source, number), bundle, folds, manifest.views)
    evidence = explore(job, device="cpu").evidence
    return Assessor(manifest.calibration, manifest.classes).likeness(evidence)


if __name__ == "__main__":
    main()
