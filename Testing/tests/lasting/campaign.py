"""The campaign of broken inputs: ``python campaign.py COUNT SEED FOLDER`` prints what went wrong, as JSON.

Every trial draws its input from its own seed, so one can be repeated alone: ``--only NUMBER``.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import broken_folders
import broken_images
import stage
import torch
from material import make_material

SECTIONS = (*broken_images.SECTIONS, *broken_folders.SECTIONS)


def campaign(count: int, seed: int, folder: Path, only: int | None = None) -> dict[str, object]:
    """Run the trials; a fault is its number, section, what was done and what came of it."""
    torch.set_num_threads(1)
    material = make_material(folder / "material")
    faults: list[dict[str, object]] = []
    codes: Counter[int] = Counter()
    slowest, largest, start = 0.0, 0, time.monotonic()
    for number in range(count) if only is None else [only]:
        section = SECTIONS[number % len(SECTIONS)]
        place = folder / f"trial{number}"
        place.mkdir()
        trial = section(material, place, random.Random(f"{seed}-{number}"))
        outcome = stage.run(trial.arguments, place)
        fault = outcome.fault(trial.allowed) or trial.check(outcome)
        codes[outcome.code] += 1
        slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.peak_bytes)
        if fault:
            faults.append({"number": number, "section": section.__name__, "what": trial.what, "fault": fault})
            print(json.dumps(faults[-1]), file=sys.stderr, flush=True)
        if only is not None:
            print(*trial.arguments, outcome, sep="\n", file=sys.stderr)
        else:
            shutil.rmtree(place, ignore_errors=True)
    return {
        "trials": sum(codes.values()), "faults": faults, "codes": dict(sorted(codes.items())),
        "slowest_s": round(slowest, 1), "largest_gb": round(largest / 2**30, 2),
        "seconds": round(time.monotonic() - start, 1),
    }  # fmt: skip


if __name__ == "__main__":
    number = int(sys.argv[sys.argv.index("--only") + 1]) if "--only" in sys.argv else None
    print(json.dumps(campaign(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), number), indent=1))
