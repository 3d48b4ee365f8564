"""The page that travels with a bundle: what it is for, what it saw, how well it did, what it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.manifest import TURNED, BundleKind, Manifest

from ..datasets.catalogue import dataset_info
from ..training.warm_start import AVERAGED_WITH, STARTED_FROM

SECTION_NOTE = "No figures were measured for this bundle yet; `cardiacuq evaluate` measures them."

FITTED = {"error_probability": "P(wrong)", "intervals": "intervals of sizes", "likeness": "usual scans"}
"""Names of fits for people, where the manifest's own key is none."""

ONE_WAY_ROUND = (
    "The networks know the heart one way round, as the file's own orientation turns it: in a file that is "
    "mirrored from side to side they do not find the right ventricle."
)


def model_card(manifest: Manifest) -> str:
    """Markdown model card from the manifest alone, so that the two cannot disagree."""
    cases = sum(len(ids) for ids in manifest.held_out.values())
    lines = [
        f"# {manifest.name} {manifest.version}",
        "",
        f"{manifest.title}. **Research use only; not a medical device.**",
        "",
        "| | |",
        "|---|---|",
        f"| Classes | {', '.join(f'{c.value} {c.name}' for c in manifest.classes)} |",
        f"| Training data | {manifest.training_data} |",
        f"| Licence of the weights | {manifest.licence} |",
        f"| Ensemble | {len(manifest.folds)} folds x {len(manifest.views)} views |",
        f"| Protocol | {cases} cases, each held out by one fold; folds stratified by pathology |",
        f"| Region | {_region(manifest)} |",
        *_stages(manifest),
        "",
        "## Networks",
        "",
        *_networks(manifest),
        "",
        "## Figures",
        "",
        *_figures(manifest.metrics),
        "",
        "## Training",
        "",
        *_training(manifest.training),
        "",
        *_calibration(manifest.calibration),
        "## Limits",
        "",
        *[f"- {line}" for line in manifest.limitations],
        *([""] if manifest.limitations else []),
        *([ONE_WAY_ROUND] if manifest.views == TURNED else []),
        "Trained on one centre's scans: on other scanners, spacings and contrasts expect less.",
        "The maps show where this model disagrees with itself, not every way in which it can be wrong.",
    ]
    return "\n".join(lines) + "\n"


def _region(manifest: Manifest) -> str:
    pixel = (
        "native pixels" if manifest.roi.spacing_mm is None else f"pixels of {manifest.roi.spacing_mm:g} mm"
    )
    how = "found by a coarse pass" if "locator" in manifest.networks else "at the image centre"
    return f"{manifest.roi.size_px} x {manifest.roi.size_px} {pixel}, {how}"


def _networks(manifest: Manifest) -> list[str]:
    lines = ["| network | architecture | inputs | filters | dropout |", "|---|---|---|---|---|"]
    beyond = 0
    for name, spec in manifest.networks.items():
        filters = ", ".join(map(str, spec.filters))
        lines.append(f"| {name} | {spec.architecture} | {spec.in_channels} | {filters} | {spec.dropout} |")
        beyond = max(beyond, spec.in_channels // 2)
    if manifest.kind is BundleKind.STREAMING and beyond:
        lines += ["", f"The members see their slice and {beyond} more on each side of it."]
    if manifest.kind is BundleKind.CASCADE and (beyond := manifest.networks["stage2d"].in_channels // 2):
        lines += ["", f"The 2D stage sees its slice and {beyond} more on each side of it."]
    return lines


def _stages(manifest: Manifest) -> list[str]:
    factors = ", ".join(f"{name} x {factor:g}" for name, factor in manifest.sharpness.items())
    lines = [f"| Logits before the softmax | {factors} |"] if factors else []
    rule = manifest.stage_rule
    if rule.score_sharpness != 1:
        lines.append(f"| Logits where SCS compares the stages | x {rule.score_sharpness:g} |")
    if rule.outline_share:
        say = f"{100 * rule.outline_share:g} % the 2D stage's where the 3D stage sees no lesion"
        lines.append(f"| Outlines of cavity and wall | {say} |")
    if rule.background_weight != 1:
        lines.append(f"| Probability of the background | x {rule.background_weight:g} |")
    if (finder := manifest.insertion) is not None:
        off = f"{finder.median_deg:g} degrees off in half, {finder.ninety_deg:g} in nine of ten scans"
        lines.append(f"| Where AHA segments begin | RV insertion found by {finder.bundle}: {off} |")
    return lines


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    """Tables of the measured figures; nested mappings become sections, "command" names its origin."""
    if not metrics:
        return [SECTION_NOTE]
    lines: list[str] = []
    for section, values in metrics.items():
        if not isinstance(values, Mapping):
            lines.append(f"- {section}: {values}")
            continue
        lines += [f"### {section}", ""]
        if "command" in values:
            lines += [f"`{values['command']}`", ""]
        lines += ["| figure | value |", "|---|---|"]
        lines += [f"| {key} | {value} |" for key, value in values.items() if key != "command"]
        lines.append("")
    return lines


def _calibration(calibration: Mapping[str, Any]) -> list[str]:
    """Which cases each fitted judgement comes from; nothing where nothing was fitted."""
    lines = []
    for key, fit in calibration.items():
        origin = fit.get("fitted_on") if isinstance(fit, Mapping) else None
        if isinstance(origin, Mapping):
            count = " and ".join(f"{origin[unit]} {unit}" for unit in ("cases", "frames") if unit in origin)
            name = FITTED.get(key, key.replace("_", " "))
            lines.append(f"- {name}: {count} of {_title(str(origin.get('dataset', '')))}, predicted unseen")
    return ["## Calibration", "", *lines, ""] if lines else []


def _title(dataset: str) -> str:
    try:
        return dataset_info(dataset).title
    except UsageError:  # named by a version that knew other data sets
        return dataset


def _training(training: Mapping[str, Any]) -> list[str]:
    lines = [f"- {key}: {value}" for key, value in training.items() if not isinstance(value, Mapping)]
    earlier = training
    while earlier := earlier.get(STARTED_FROM, {}):
        recipe, known = earlier.get("recipe", {}), [earlier[k] for k in ("bundle", "commit") if k in earlier]
        if AVERAGED_WITH in earlier:
            known.append(f"mean with {earlier[AVERAGED_WITH]}")
        told = ", ".join([f"seed {recipe.get('seed')}", *known])
        lines.append(f"- begun with the weights of: {recipe.get('title')} ({told})")
    recipe = training.get("recipe")
    if isinstance(recipe, Mapping):
        lines.append(
            f"- recipe: {recipe.get('title')} (seed {recipe.get('seed')}), complete in manifest.json"
        )
    return lines
