"""``run.html``: a training run on one self-contained page, written anew while it trains."""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from CardiacUQLib.base.duration import duration
from CardiacUQLib.base.safe_files import write_whole
from CardiacUQLib.base.version import __version__

from .asked import COMMAND
from .curves import draw_curves, read_curves, write_curves
from .recipe import RECIPE
from .run_folder import RunFolder

PAGE = "run.html"
PLANNED, SKIPPED, FOLDS = "planned", "left_out", "folds"
"""Keys of a run's record: what was fitted to the data, cases that could not be read, folds to train."""


def write_run_page(run: RunFolder, state: str, seconds_left: float | None = None) -> Path | None:
    """Write ``run.html`` and ``curves.png`` of a run; None without the packages of the extra "train".

    ``state`` is a word for the reader, such as "training". Raises OSError if a file cannot be written.
    """
    if any(importlib.util.find_spec(name) is None for name in ("jinja2", "matplotlib")):
        return None
    return write_whole(run.path / PAGE, render_run_page(run, state, seconds_left))


def render_run_page(run: RunFolder, state: str, seconds_left: float | None) -> str:
    """The page as HTML; draws the curves into the run folder on the way."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    record = run.read_record()
    recipe = RECIPE.validate_python(record["recipe"])
    folds = list(record.get(FOLDS, range(recipe.folds)))
    curves = read_curves(run, list(recipe.stages()), folds)
    png = draw_curves(curves) if curves else b""
    if png:
        write_curves(run, png)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(PAGE).render(
        name=run.path.resolve().name,
        state=state,
        left="" if seconds_left is None else duration(seconds_left),
        title=recipe.title,
        command=record.get(COMMAND, ""),
        planned=record.get(PLANNED, []),
        left_out=record.get(SKIPPED, []),
        facts=_facts(record, recipe.folds, folds),
        stages=[
            (stage, numbers.epochs, [_cell(run, stage, fold, curves, numbers.epochs) for fold in folds])
            for stage, numbers in recipe.stages().items()
        ],
        folds=folds,
        curves=base64.b64encode(png).decode() if png else "",
        recipe=yaml.safe_dump(record["recipe"], sort_keys=False, allow_unicode=True, width=100),
        today=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
    )


def _facts(record: Mapping[str, Any], count: int, folds: list[int]) -> list[tuple[str, str]]:
    cases = sum(len(ids) for ids in record["held_out"].values())
    trained = "all" if len(folds) == count else ", ".join(map(str, folds))
    return [
        ("data", f"{record['dataset']}, {cases} cases"),
        ("folds", f"{count}, of which {trained} are trained" if trained != "all" else str(count)),
        ("program", f"commit {str(record.get('commit', 'unknown'))[:12]}, torch {record.get('torch', '?')}"),
    ]


def _cell(
    run: RunFolder, stage: str, fold: int, curves: Mapping[str, Mapping[int, Any]], epochs: int
) -> dict[str, str]:
    """How far a stage of a fold is: a class for its colour, words, and its last validation Dice."""
    rows = curves.get(stage, {}).get(fold, [])
    dice = [row["validation_dice"] for row in rows if row.get("validation_dice")]
    shown = f"Dice {float(dice[-1]):.3f}" if dice else ""
    if run.final(fold, stage).exists():
        return {"kind": "done", "words": "finished" if rows else "taken over", "dice": shown}
    if rows:
        return {"kind": "now", "words": f"epoch {rows[-1]['epoch']} of {epochs}", "dice": shown}
    return {"kind": "waiting", "words": "waiting", "dice": ""}
