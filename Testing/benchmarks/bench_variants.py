"""Train every variant of the cine ensemble for the same few epochs, and compare them on held-out patients.

    python Testing/benchmarks/bench_variants.py --data DIR -o FOLDER [--epochs 4] [--folds 0] [--every 1]

Tiny networks on coarse pixels, so that a processor does it: the order of the variants is measured, not what
they can reach. Everything goes through the commands ``train`` and ``evaluate``; a run that was stopped goes
on. The pages are in FOLDER/evaluation; the comparison of the variants in FOLDER/evaluation/comparison.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "CardiacUQ")]

UNET = {"architecture": "streaming_unet", "filters": [6, 12, 24, 48], "dropout": 0.1}
DEEPLAB = {"architecture": "deeplabv3plus", "filters": [8, 8, 8, 16, 24, 40, 48], "dropout": 0.1}
VARIANTS: dict[str, dict[str, Any]] = {
    "uncertainty-2": {"variant": "uncertainty", "members": [UNET] * 2},
    "uncertainty-1": {"variant": "uncertainty", "members": [UNET]},
    "uncertainty-3": {"variant": "uncertainty", "members": [UNET] * 3},
    "uncertainty-4": {"variant": "uncertainty", "members": [UNET] * 4},
    "uncertainty-deeplab": {"variant": "uncertainty", "members": [UNET, DEEPLAB]},
    "fixed": {"variant": "fixed", "members": [UNET] * 2},
    "stacking": {"variant": "stacking", "members": [UNET, DEEPLAB]},
    "bagging": {"variant": "bagging", "members": [UNET] * 2},
    "augmenting": {"variant": "augmenting", "members": [UNET]},
}


def recipe_of(name: str, epochs: int) -> dict[str, Any]:
    """The recipe of one variant; all see the same frames in the same order."""
    training = {
        "epochs": epochs,
        "batch": 2,
        "optimiser": {"name": "adamw", "learning_rate": 0.004, "schedule": "one_cycle"},
        "loss": {
            "dice": 1.0,
            "cross_entropy": 1.0,
            "include_background": True,
            "dice_class_weights": [1, 2, 1, 1],
        },
        "augmentation": {"flips": False, "rotation_p": 0.5, "rotation_deg": 20, "shift_px": 8},
        "ema": 0.99,
        "keep": "last",
        "validate_every": epochs,
    }
    common = {"kind": "streaming", "title": name, "seed": 20, "folds": 5, "final_softmax": False}
    return common | {"roi": {"size_px": 80, "spacing_mm": 2.0}, "training": training} | VARIANTS[name]


def main() -> None:
    """Train what is not trained yet, then judge all runs in one command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--folds", default="0")
    parser.add_argument("--every", type=int, default=1, help="judge only every Nth frame")
    options = parser.parse_args()

    from CardiacUQTraining.cli.app import main as cardiacuq

    options.output.mkdir(parents=True, exist_ok=True)
    data = ["--dataset", "acdc", "--data", str(options.data), "--folds", options.folds]
    for name in VARIANTS:
        recipe = options.output / f"{name}.yaml"
        recipe.write_text(yaml.safe_dump(recipe_of(name, options.epochs)), encoding="utf-8")
        run = ["--recipe", str(recipe), "-o", str(options.output / name), "--resume"]
        if code := cardiacuq(["train", "streaming", *data, *run]):
            sys.exit(code)
    first, *others = (str(options.output / name) for name in VARIANTS)
    compared = [word for other in others for word in ("--against", other)]
    judge = ["--cross-validated", "--every", str(options.every), "-o", str(options.output / "evaluation")]
    sys.exit(cardiacuq(["evaluate", "--model", first, *compared, *data, *judge]))


if __name__ == "__main__":
    main()
