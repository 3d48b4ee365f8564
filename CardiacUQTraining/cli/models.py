"""``cardiacuq models``: what bundles there are, without loading a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from CardiacUQLib.base.errors import ModelError

if TYPE_CHECKING:
    from CardiacUQLib.bundles.bundle import Bundle


def command(
    name: Annotated[str, typer.Argument(help="Show the model card of this bundle (name or folder).")] = "",
) -> None:
    """List the model bundles with version, licence, size and figures, or show the card of one."""
    from CardiacUQLib.bundles.bundle import list_bundles, load_bundle

    if name:
        bundle = load_bundle(name)
        typer.echo(bundle.model_card.rstrip() or f"{bundle.folder} has no model card.")
        return
    damaged: list[ModelError] = []
    bundles = list_bundles(damaged.append)
    for listed in bundles:
        typer.echo(_entry(listed))
    if not bundles:
        typer.echo("No bundles are installed.")
    for problem in damaged:
        typer.echo(f"cardiacuq: {problem}", err=True)


def _entry(bundle: Bundle) -> str:
    manifest = bundle.manifest
    size = f"{len(manifest.folds)} folds, {_size_mb(bundle.folder):.1f} MB"
    lines = [
        f"{manifest.name} {manifest.version}: {manifest.title}",
        f"  {manifest.kind}, {size}; {manifest.licence}",
        f"  classes: {', '.join(info.name for info in manifest.classes if info.value)}",
        f"  {_figure(manifest.metrics)}; all figures: cardiacuq models {manifest.name}",
    ]
    return "\n".join(lines)


def _size_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) / 1e6


def _figure(metrics: Mapping[str, Any]) -> str:
    """The first mean Dice among the figures, with what it was measured on."""
    for section, values in metrics.items():
        found = values.items() if isinstance(values, Mapping) else [(section, values)]
        for key, value in found:
            name = key.replace("_", " ")
            if name.lower().startswith("mean dice"):
                where = f"{section}: " if isinstance(values, Mapping) else ""
                return f"{where}{name}: {value}"
    return "no Dice was measured yet"
