"""What to call a cine ensemble, and how to judge several in the same way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from CardiacUQLib.bundles.manifest import Manifest
from CardiacUQLib.inference.ensemble import member_names
from CardiacUQLib.networks.spec import Architecture

from ..shared.source import FIGURES

ARCHITECTURES = {
    Architecture.STREAMING_UNET: "U-Net",
    Architecture.DEEPLAB_V3_PLUS: "DeepLabV3+",
    Architecture.DYNUNET_2D: "DynUNet",
    Architecture.ATTENTION_UNET_2D: "Attention U-Net",
    Architecture.SWIN_UNETR_2D: "SwinUNETR",
}


def variant_name(manifest: Manifest) -> str:
    """Members and rule as the paper's tables name them: "2 U-Nets, uncertainty"."""
    specs = [manifest.networks[name].architecture for name in member_names(manifest)]
    counts = Counter(ARCHITECTURES.get(one, one.value) for one in specs)
    members = [f"{count} {name}s" if count > 1 else name for name, count in counts.items()]
    if len(specs) == 1:
        members = [f"1 {members[0]}"]
    combination, _, numbers = manifest.combination.partition(":")
    rule = _recipe(manifest).get("variant") or combination
    alone = len(specs) == 1 and rule in ("fixed", "uncertainty")
    sharper = f" x {numbers}" if numbers and rule == "uncertainty" else ""
    return " + ".join(members) + ("" if alone else f", {rule}{sharper}")


def epochs(manifest: Manifest) -> int | None:
    """Epochs of all members together, None if the manifest does not say."""
    training = _recipe(manifest).get("training")
    if not isinstance(training, dict) or "epochs" not in training:
        return None
    return int(training["epochs"]) * len(member_names(manifest))


def is_evaluation(path: Path) -> bool:
    """True for the output folder of an evaluation."""
    return (path / FIGURES).is_file()


def _recipe(manifest: Manifest) -> Mapping[str, Any]:
    return manifest.training.get("recipe") or {}
