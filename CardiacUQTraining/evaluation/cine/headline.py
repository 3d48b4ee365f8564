"""The figures of a cine evaluation that travel with the bundle on its model card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from CardiacUQLib.measures.display import SIZE_NAMES
from CardiacUQLib.measures.size_catalogue import unit_of

from ..shared.scores import CROP, PREDICTED, UNION

CARD_SIZES = ("ef_percent", "edv_ml", "esv_ml", "lv_mass_g", "rv_edv_ml", "rv_esv_ml")
STRUCTURES = {"dice_1": "RV", "dice_2": "myocardium", "dice_3": "LV"}


def headline(content: Mapping[str, Any]) -> dict[str, str]:
    """What a reader of the card wants to know, by the name of the figure, from ``evaluation.json``."""
    parts, threshold = content["segmentation"], content["threshold"]
    frames, patients = len(content["frames"]), len({one["patient"] for one in content["frames"].values()})
    found = {}
    for phase, whole in parts.items():
        if phase not in ("all frames", "ED", "ES"):
            continue
        counted = f" ({frames} frames of {patients} patients)" if phase == "all frames" else ""
        single = " / ".join(f"{100 * whole[key]['mean']:.2f}" for key in STRUCTURES)
        found[f"mean Dice, {phase}{counted}"] = _percent(whole["mean_dice"], 2)
        found[f"Dice {' / '.join(STRUCTURES.values())}, {phase}"] = f"{single} %"
        found[f"EC at {threshold:g}, {phase}"] = _percent(whole["ec"], 1)
    for key in CARD_SIZES:
        if key in content["sizes"]:
            found[f"{SIZE_NAMES[key]} against the reader"] = _size(key, content)
    found |= content.get("assessment_headline") or {}
    pooled = content.get("pooled_ece") or {}
    if pooled:
        name = "P(wrong), pooled ECE: union / predicted foreground / whole region"
        found[name] = " / ".join(f"{pooled[region]:.3f}" for region in (UNION, PREDICTED, CROP))
    for row, title in (("error_probability", "P(wrong)"), ("scs", "SCS between members")):
        if row in content["uncertainty"]:
            figures = (content["uncertainty"][row][key]["mean"] for key in ("auroc", "spearman", "pearson"))
            found[f"{title}, union region: AUROC / Spearman / Pearson"] = " / ".join(
                f"{value:.3f}" for value in figures
            )
    return found


def _size(key: str, content: Mapping[str, Any]) -> str:
    one, unit = content["sizes"][key], unit_of(key)
    agreement = one["found"]
    text = (
        f"r {one['pearson']:.3f}, mean absolute error {agreement['mean_absolute_error']:.1f} {unit}, bias "
        f"{agreement['bias']:+.1f} {unit}, limits of agreement {agreement['low']:.1f} to "
        f"{agreement['high']:.1f} {unit}"
    )
    covered = (content.get("coverage") or {}).get(key)
    return text if covered is None else f"{text}; 90 % intervals cover {100 * covered['coverage']:.0f} %"


def _percent(one: Mapping[str, float], digits: int) -> str:
    mean, low, high = (f"{100 * one[key]:.{digits}f}" for key in ("mean", "low", "high"))
    return f"{mean} % [{low}, {high}]"
