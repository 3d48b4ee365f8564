"""Does weighing the members by their consistency help? The members of a cine bundle under other rules.

    python Testing/benchmarks/bench_weights.py --data DIR -o OUT

Every ACDC frame is predicted by the fold that did not see it. The members stay what they are; what changes
is how they are put together: the published weights of eq. (3), sharper ones (a factor of sigma), sigma of a
slice and its neighbours instead of the whole stack, equal weights, one member alone. Dice in the pixels of
the networks after the clean-up. Softmax of the members is kept in OUT/members, 16 bits, so that a second run
is fast.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from CardiacUQLib.base.threads import wait_politely

wait_politely()

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from CardiacUQLib.base.arg_max import arg_max  # noqa: E402
from CardiacUQLib.bundles.bundle import load_bundle  # noqa: E402
from CardiacUQLib.bundles.manifest import Manifest  # noqa: E402
from CardiacUQLib.bundles.resident import ResidentBundle  # noqa: E402
from CardiacUQLib.inference.combination import Combination, ensemble, member_weights, mixture  # noqa: E402
from CardiacUQLib.inference.ensemble import StreamingPass  # noqa: E402
from CardiacUQLib.inference.streaming_cleanup import main_parts  # noqa: E402
from CardiacUQTraining.datasets import LabelledCase, open_dataset  # noqa: E402
from CardiacUQTraining.evaluation.cine.compare_variants import paired_tests, phase_figures  # noqa: E402
from CardiacUQTraining.evaluation.cine.compared import EC, Evaluated  # noqa: E402
from CardiacUQTraining.evaluation.cine.end_slices import THRESHOLD  # noqa: E402
from CardiacUQTraining.evaluation.cine.frames import frame_scores  # noqa: E402
from CardiacUQTraining.evaluation.shared.markdown import PERCENT, interval, markdown_table  # noqa: E402
from CardiacUQTraining.evaluation.shared.predict import Computer, PassOptions, permitted_folds, predict  # noqa: E402
from CardiacUQTraining.training.crops import crop_labels  # noqa: E402

PUBLISHED = "uncertainty, as published"
FACTORS = (3.0, 10.0, 30.0)
PAGE = "weights.md"


def members_of(case: LabelledCase, networks: ResidentBundle, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Softmax (views, M, C, z, y, x) of the members and the reader's labels (z, y, x), from disk if there."""
    path = folder / f"{case.id}.npz"
    if not path.exists():
        manifest = networks.manifest
        options = PassOptions(views=manifest.views, cross_validated=True)
        volume, truth = case.load()
        folds = permitted_folds(manifest, case.id, options)
        region = predict(volume, networks, folds, options, Computer("cpu", "float32")).region
        found = [one.members.cpu().numpy() for one in region.passes if isinstance(one, StreamingPass)]
        members = np.stack(found).astype(np.float16)
        np.savez(path, members=members, truth=crop_labels(region.roi, truth))
    kept = np.load(path)
    return kept["members"].astype(np.float32), kept["truth"]


def mixtures(members: Tensor) -> dict[str, Tensor]:
    """Mean over the views of the members put together (C, z, y, x), by rule."""

    def mixed(rule: Combination, numbers: tuple[float, ...] | None) -> Tensor:
        parts = [mixture(one, ensemble(one, rule, numbers=numbers)[1]) for one in members]
        return torch.stack(parts).mean(dim=0)

    rules = {PUBLISHED: mixed(Combination.UNCERTAINTY, None), "equal weights": mixed(Combination.FIXED, None)}
    rules |= {f"sigma x {k:g}": mixed(Combination.UNCERTAINTY, (k,)) for k in FACTORS}
    for factor in (1.0, 10.0):
        weights = member_weights(neighbour_consistency(members).transpose(-3, -4), factor).transpose(-3, -4)
        rules[f"sigma of 3 slices x {factor:g}"] = (weights[:, :, None] * members).sum(dim=1).mean(dim=0)
    return rules | {f"member {n} alone": members[:, n].mean(dim=0) for n in range(members.shape[1])}


def neighbour_consistency(members: Tensor) -> Tensor:
    """Sigma of eq. (3) of every slice (views, M, z, y, x), from the mean over it and the slices beside it."""
    views, count, classes, *shape = members.shape
    flat = members.reshape(views * count * classes, 1, *shape)
    mean = torch.nn.functional.avg_pool3d(flat, (3, 1, 1), 1, (1, 0, 0), count_include_pad=False)
    return mean.reshape(members.shape).var(dim=2)


def scores(members: np.ndarray, truth: np.ndarray, manifest: Manifest) -> dict[str, dict[str, float]]:
    """Figures of one frame by rule."""
    return {
        name: frame_scores(main_parts(arg_max(p.numpy()), manifest.classes), truth, manifest.classes, None)
        for name, p in mixtures(torch.from_numpy(members)).items()
    }


def page(evaluated: Mapping[str, Evaluated], command: str) -> str:
    """The table, and every rule against the published one."""
    first = evaluated[PUBLISHED]
    cases = list(first.frames)
    rows = []
    for name, one in evaluated.items():
        found = phase_figures(one, cases, THRESHOLD)
        tests = {} if one is first else {(t.figure, t.phase): t for t in paired_tests(one, first, cases)}

        def p(figure: str, phase: str = "all", tests: Mapping = tests) -> str:
            return f"{tests[figure, phase].p:.2g}" if tests else ""

        rows.append([
            name, interval(found["all"]["mean_dice"], PERCENT, 2), p("mean_dice"),
            f"{PERCENT * found['ES']['mean_dice'].mean:.2f}", p("mean_dice", "ES"),
            f"{PERCENT * found['all']['end_dice'].mean:.2f}", p("end_dice"),
            interval(found["all"][EC], PERCENT, 1), p(EC),
            f"{PERCENT * found['ES'][EC].mean:.1f}", p(EC, "ES"),
        ])  # fmt: skip
    header = ["rule", "mean Dice", "p", "ES", "p", "end slices", "p", "EC", "p", "EC, ES", "p"]
    return (
        f"# The members of cine-streaming under other rules\n\n    {command}\n\n{len(cases)} ACDC frames, "
        "each predicted by the fold that did not see it; in the pixels of the networks, after the clean-up, "
        "without the rule for base and apex.\n\n"
        f"{markdown_table(header, rows)}\n\n"
        "In %, 95 % bootstrap intervals. p against the published weights: Wilcoxon over patients for Dice, "
        "McNemar over frames for EC, not corrected for the number of rules.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="cine-streaming")
    parser.add_argument("--every", type=int, default=1, help="only every Nth patient")
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    kept = asked.output / "members"
    kept.mkdir(parents=True, exist_ok=True)
    networks = ResidentBundle.of(load_bundle(asked.model))
    frames: dict[str, dict[str, dict]] = {}
    dataset = open_dataset("acdc", asked.data)
    patients = sorted({case.patient for case in dataset})[:: asked.every]
    for case in dataset:
        if case.patient in patients:
            whose = {"patient": case.patient, "phase": case.phase, "group": case.group}
            for name, found in scores(*members_of(case, networks, kept), networks.manifest).items():
                frames.setdefault(name, {})[case.id] = found | whose
            print(case.id, flush=True)
    evaluated = {name: Evaluated(name, {"frames": of}) for name, of in frames.items()}
    command = "python Testing/benchmarks/bench_weights.py --data DIR -o OUT"
    (asked.output / PAGE).write_text(page(evaluated, command), "utf-8")


if __name__ == "__main__":
    main()
