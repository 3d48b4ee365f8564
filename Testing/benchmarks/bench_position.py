"""By how much the Dice falls when the heart does not lie at the image centre.

    python Testing/benchmarks/bench_position.py --dataset emidec --data DIR [--model lge-cascade]
        [--cross-validated] [--step 30] [--every 4] [--no-tta]

Real cases are padded and cut in whole voxels; aim: the mean Dice falls by less than 0.01. Prints a
Markdown table.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "CardiacUQ")]

LARGEST_FALL = 0.01


def main() -> None:
    """Judge every case as it is and after each move, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lge-cascade")
    parser.add_argument("--dataset", default="emidec")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cross-validated", action="store_true")
    parser.add_argument("--step", type=int, default=30, help="voxels to pad and shift by")
    parser.add_argument("--every", type=int, default=1, help="only every Nth case")
    parser.add_argument("--no-tta", action="store_true", help="one pass per fold instead of three")
    options = parser.parse_args()

    from CardiacUQLib.base.threads import wait_politely
    from CardiacUQLib.bundles.bundle import load_bundle
    from CardiacUQLib.bundles.manifest import View
    from CardiacUQTraining.datasets import open_dataset
    from CardiacUQTraining.evaluation.lge.position import judge_positions, moves
    from CardiacUQTraining.evaluation.shared.predict import PassOptions

    wait_politely()
    bundle = load_bundle(options.model)
    dataset = open_dataset(options.dataset, options.data, complete=False)
    dataset = dataclasses.replace(dataset, cases=dataset.cases[:: options.every])
    views = (View.IDENTITY,) if options.no_tta else bundle.manifest.views
    found = judge_positions(
        bundle,
        dataset,
        moves(options.step),
        PassOptions(None, views, 0, options.cross_validated),
        progress=lambda share, case: print(f"{share:4.0%} {case}", file=sys.stderr),
        on_failure=lambda line: print(line, file=sys.stderr),
    )
    if not found.cases:
        sys.exit("no case could be judged")
    located = "found by a coarse pass" if "locator" in bundle.manifest.networks else "the image centre"
    print(f"{bundle.manifest.name} on {dataset.name}, {len(found.cases)} cases; region: {located}\n")
    print("| heart | mean Dice | change | worst case | falls by less than 0.01 |")
    print("| --- | ---: | ---: | ---: | --- |")
    print(f"| where it was | {found.still.mean():.4f} | | | |")
    for name, dice, change, worst in found.rows():
        held = "yes" if change > -LARGEST_FALL else "**no**"
        print(f"| {name} | {dice:.4f} | {change:+.4f} | {worst:+.4f} | {held} |")


if __name__ == "__main__":
    main()
