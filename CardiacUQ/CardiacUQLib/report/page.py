"""The report as one HTML page that needs nothing beside it: pictures are data URIs, styles are inside."""

from __future__ import annotations

import base64
import functools
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.regions import boxes_of
from ..base.safe_files import write_whole
from ..base.version import __version__
from ..bullseye.drawing import segments_note
from ..bundles.classes import LESIONS
from ..bundles.colours import HEAT_STOPS, correction_colour
from ..bundles.manifest import BundleKind, ClassInfo
from ..bundles.map_catalogue import MapName
from ..cases.case import CaseView
from ..images.slice_number import slice_number, slice_range
from ..inference.result import Result
from ..measures.aha import NO_INSERTION
from ..measures.display import SIZE_NAMES, digits
from ..measures.size_catalogue import unit_of
from ..uncertainty.bands import band_colours
from ..uncertainty.look import LEAST_GAIN, Look, one_for_each_proposal, slices_shown
from .beat_curve import beat_svg
from .clinical import bullseyes_svg, distributions_svg, threshold_rows
from .contents import Contents, contents_of
from .first_screen import dice_cells, headlines, intervals_hold, millilitres
from .pictures import HIDDEN_BELOW, ColumnKind, columns_of, slice_pictures

if TYPE_CHECKING:
    from ..cases.writing import ExtraWriter

REPORT_FILE = "report.html"
MOST_REGIONS = 12
"""Rows of the table of regions; the rest is in components.csv."""

MOST_SLICES = 40
"""A stack with more slices shows only those where something was found."""

_SUBJECT = {
    BundleKind.CASCADE: "Late-enhancement cardiac MRI",
    BundleKind.STREAMING: "Cine cardiac MRI",
    BundleKind.COMPARISON: "Two opinions",
}
_AGREE = {
    BundleKind.CASCADE: "the 2D and the 3D stage",
    BundleKind.STREAMING: "all members",
    BundleKind.COMPARISON: "both opinions",
}


@dataclass(frozen=True)
class Transition:
    """One entry of the legend of corrections."""

    was: str
    became: str
    colour: str
    voxels: int
    volume: str


PACKAGES_MISSING = "the report needs jinja2 and pillow; install them with: pip install jinja2 pillow"
"""What is said where :func:`can_render` is false."""


def can_render() -> bool:
    """True if the packages that draw a report are there; the Python of Slicer may lack them."""
    return all(importlib.util.find_spec(package) for package in ("jinja2", "PIL"))


def report_writer(name: str) -> ExtraWriter:
    """For ``write_case``: puts the report of case ``name`` into its folder."""

    def write(result: Result, folder: Path) -> None:
        write_report(result, folder / REPORT_FILE, name=name)

    return write


def write_report(case: CaseView, path: str | Path, *, name: str | None = None) -> Path:
    """Write :func:`render_report` to ``path``, whole or not at all; returns the path.

    Raises OSError if the file cannot be written.
    """
    return write_whole(path, render_report(case, name=name))


def render_report(case: CaseView, *, name: str | None = None) -> str:
    """The page of a result in memory or of a case folder on disk, as HTML.

    ``name`` replaces the case's own. A case folder whose scan has moved is shown without the image.
    """
    contents = contents_of(case, name)
    return _template().render(
        contents=contents,
        subject=_SUBJECT[contents.case.kind],
        who_agrees=_AGREE[contents.case.kind],
        comparison=comparison_rows(contents.case.measures, contents.case.classes),
        first=contents.case.kind.opinions[0],
        final=contents.case.kind.opinions[1],
        today=datetime.now(UTC).date().isoformat(),
        version=__version__,
        headlines=headlines(contents),
        dice=dice_cells(contents),
        intervals_hold=intervals_hold(contents),
        lead=str(contents.case.measures.get("headline", "")),
        beat=beat_svg(contents.case.measures),
        bullseyes=bullseyes_svg(contents.case.measures, len(contents.case.classes)),
        distributions=distributions_svg(contents.case.measures),
        segments_note=segments_note(contents.case.measures),
        thresholds=threshold_rows(contents.case.measures),
        warnings=_warnings(contents),
        rows=_rows(contents),
        columns=_columns(contents),
        outlined=[info for info in contents.case.classes if info.value],
        transitions=transitions(contents),
        regions=_regions(contents),
        places=_places(contents.case.looks),
        looked_for=MapName.ERROR_PROBABILITY in contents.case.maps,
        lesions=any(info.name in LESIONS for info in contents.case.classes),
        scar_at_stake=millilitres(sum(look.scar_ml for look in contents.case.looks)),
        least_gain=LEAST_GAIN,
        hidden_regions=max(0, len(contents.case.components) - MOST_REGIONS),
        provenance=_provenance(contents),
        heat_colours=", ".join(HEAT_STOPS),
        hidden_below=HIDDEN_BELOW,
    )


def _warnings(contents: Contents) -> list[str]:
    """What is odd about this case; where segments count from stands under the bull's-eyes."""
    notes = [str(note) for note in contents.case.measures.get("notes", ())]
    told = NO_INSERTION if segments_note(contents.case.measures) else ""
    return [*contents.warnings, *(note for note in notes if note != told)]


def _places(looks: Sequence[Look]) -> list[tuple[Look, str]]:
    """The places as they are reviewed, with the numbers of their slices."""
    return [
        (look, ", ".join(str(slice_number(index)) for index in slices_shown(look, looks)))
        for look in one_for_each_proposal(looks)
    ]


def comparison_rows(measures: Mapping[str, Any], classes: Sequence[ClassInfo]) -> list[dict[str, str]]:
    """Every size of both opinions with its difference; empty for a case that compares nothing."""
    found = measures.get("comparison")
    if not found:
        return []
    names = {f"{info.name}_volume_ml": info.name for info in classes}
    rows = []
    for key, value in found["a"]["sizes"].items():
        unit = unit_of(key)
        values = (value, found["b"]["sizes"].get(key), found["difference"].get(key))
        a, b, difference = ("" if v is None else f"{digits(v)} {unit}" for v in values)
        rows.append(
            {"name": SIZE_NAMES.get(key) or names.get(key, key), "a": a, "b": b, "difference": difference}
        )
    return rows


def transitions(contents: Contents) -> list[Transition]:
    """What occurs in the map of corrections, the largest first."""
    codes, counts = np.unique(contents.case.dcm[contents.case.dcm > 0], return_counts=True)
    names = {info.value: info.name for info in contents.case.classes}
    found = []
    for code, voxels in sorted(zip(codes, counts, strict=True), key=lambda pair: -pair[1]):
        was, became = divmod(int(code), len(contents.case.classes))
        volume = millilitres(voxels * contents.case.geometry.voxel_volume_ml)
        colour = correction_colour(was, became, contents.case.classes)
        found.append(Transition(names[was], names[became], colour, int(voxels), volume))
    return found


def _rows(contents: Contents) -> list[dict[str, Any]]:
    slices = range(contents.case.geometry.shape[0])
    if len(slices) > MOST_SLICES:
        marked = (contents.segmentation > 0) | (contents.case.dcm > 0)
        slices = [int(z) for z in np.flatnonzero(marked.any(axis=(1, 2)))] or [len(slices) // 2]
    rows = []
    for z, pictures in zip(slices, slice_pictures(contents, slices), strict=True):
        cells = [
            {"uri": f"data:image/png;base64,{base64.b64encode(p.png).decode('ascii')}", "alt": p.description}
            for p in pictures
        ]
        regions = [int(n) for n in np.unique(contents.case.component_ids[z]) if n]
        rows.append({"number": slice_number(z), "cells": cells, "regions": regions})
    return rows


def _columns(contents: Contents) -> list[dict[str, Any]]:
    columns = [{"kind": one.kind.value, "title": one.title, "map": one.heat} for one in columns_of(contents)]
    for column in columns:
        if column["kind"] == ColumnKind.BANDS:
            colours = band_colours(contents.case.bands, contents.case.classes)
            column["share"] = f"{100 * contents.case.bands[0].share:.0f} %"
            column["bands"] = [
                (band.with_coverage(holds=intervals_hold(contents)), colours[band.structure])
                for band in contents.case.bands
            ]
    return columns


def _regions(contents: Contents) -> list[dict[str, Any]]:
    names = {info.value: info.name for info in contents.case.classes}
    wrong = next((heat.values for heat in contents.heat_maps if heat.name == "error_probability"), None)
    boxes = boxes_of(contents.case.component_ids)
    rows = []
    for component in sorted(contents.case.components, key=lambda c: -c.priority)[:MOST_REGIONS]:
        box = boxes[component.id - 1] if component.id <= len(boxes) else None
        rows.append(
            {
                "id": component.id,
                "was": names[component.was],
                "became": names[component.became],
                "colour": correction_colour(component.was, component.became, contents.case.classes),
                "slices": slice_range(component.first_slice, component.last_slice, "–"),
                "voxels": component.voxels,
                "volume": millilitres(component.volume_mm3 / 1000.0),
                "mean_scs": f"{component.mean_scs:.2f}",
                "max_scs": f"{component.max_scs:.2f}",
                "wrong": ""
                if wrong is None or box is None
                else f"{_mean(wrong, contents, component.id, box):.2f}",
            }
        )
    return rows


def _mean(values: np.ndarray, contents: Contents, component: int, box: tuple[slice, ...]) -> float:
    """Mean of a map over a component, looked for in its box alone."""
    return float(values[box][contents.case.component_ids[box] == component].mean())


def _provenance(contents: Contents) -> list[tuple[str, str]]:
    run, geometry, lacking = contents.case.run, contents.case.geometry, contents.case.lacking
    scan = contents.case.input_path
    size = " × ".join(str(n) for n in geometry.size)
    spacing = " × ".join(f"{mm:.3g}" for mm in geometry.spacing)
    seconds = ", ".join(f"{step} {time:.1f} s" for step, time in run.timings.items() if time >= 0.05)
    return [
        ("Scan", f"{'given in memory' if scan is None else scan.name}, {size} voxels of {spacing} mm"),
        ("SHA-256 of the scan", contents.case.input_sha256 or "unknown"),
        ("Model", f"{run.bundle} {run.bundle_version}"),
        ("SHA-256 of the model", run.bundle_sha256 or "unknown"),
        (
            "Passes",
            f"folds {', '.join(str(fold) for fold in run.folds)}; views {', '.join(run.views)}; "
            f"{len(run.folds) * len(run.views)} in all",
        ),
        *([("Not fitted", ", ".join(lacking).replace("_", " "))] if lacking else []),
        ("Computed on", f"{run.device}, {run.precision}"),
        ("Time", seconds or "under 0.1 s"),
        ("Peak memory", f"{run.peak_memory_mb / 1000:.2f} GB"),
        ("Versions", ", ".join(f"{package} {version}" for package, version in run.versions.items())),
    ]


@functools.cache
def _template() -> Any:
    """Compiled once in a process, which a cohort draws many pages with."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")
