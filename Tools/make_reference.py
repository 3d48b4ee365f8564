"""Writes the reference pages of the site from the catalogues, the recipes' models and the command line.

`python Tools/make_reference.py FOLDER`; the site's build calls it, so that no page repeats a table by hand.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import click
import typer
from pydantic import BaseModel

from CardiacUQLib import errors
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.measures.size_catalogue import SIZES, unit_of
from CardiacUQTraining.cli.app import COMMANDS, build_app
from CardiacUQTraining.datasets.catalogue import DATASETS
from CardiacUQTraining.training.recipe import CascadeRecipe, StreamingRecipe

EXIT_CODES: Mapping[errors.ExitCode, str] = {
    errors.ExitCode.DONE: "all done",
    errors.ExitCode.USAGE: "wrong usage: options that contradict each other, a place that cannot be written",
    errors.ExitCode.INPUT: "an image or label file cannot be used",
    errors.ExitCode.MODEL: "a model is missing, damaged or of an unknown version",
    errors.ExitCode.MEMORY: "too little memory even for the smallest batch",
    errors.ExitCode.PARTIAL: "some of a batch failed, or the run could not reach all",
    errors.ExitCode.EXPORT: "all done, but a DICOM export failed; the case is whole",
    errors.ExitCode.CANCELLED: "cancelled (Ctrl-C, SIGTERM)",
}
FILES = {
    "case.json": "model, options, hashes of input and bundle, times, warnings; the seal over the other files",
    "segmentation.nii.gz": "labels, on the grid and in the order of the scan",
    "stage2d.nii.gz": "what was overruled: the 2D stage, or the dissenting member",
    "dcm.nii.gz": "Discrete Correction Map: was x classes + became, 0 where nothing was corrected",
    "components.nii.gz": "regions of corrections by number; the rows of components.csv",
    "components.csv": "regions to check, the most urgent first",
    "proposals.nii.gz": "lesions that are not drawn but may be there",
    "probabilities.nii.gz": "class probabilities, 8 bits each; with --probabilities",
    "measures.json": "sizes with intervals, segments; those of the reader after a review",
    "measures_model.json": "the networks' own sizes, after a review",
    "review.json": "decisions of the reader, one after the other",
    "report.html": "the page of the case",
    "cohort-row.json": "the case's row of the cohort",
}
"""What a case folder may hold besides the maps."""
WIDTH = 84
"""Characters of a line of help."""
API = (
    ("Reading and segmenting", "function", ("CardiacUQLib.images.reading.read_volume",)),
    ("", "function", ("CardiacUQLib.bundles.bundle.load_bundle", "CardiacUQLib.studies.shown.segment")),
    ("Results", "class", ("CardiacUQLib.studies.shown.ShownResult", "CardiacUQLib.inference.result.Result")),
    ("", "class", ("CardiacUQLib.inference.result.Component", "CardiacUQLib.inference.result.RunRecord")),
    ("Images", "class", ("CardiacUQLib.images.volume.Volume", "CardiacUQLib.images.volume.Geometry")),
    ("Case folders", "function", ("CardiacUQLib.cases.casefolder.read_case",)),
    ("As a torch module", "class", ("CardiacUQLib.inference.whole_model.WholeModel",)),
    ("Maps by themselves", "module", ("CardiacUQLib.inference.maps",)),
    ("Errors", "module", ("CardiacUQLib.base.errors",)),
)


def write_reference(folder: Path) -> None:
    """Write every page into ``folder`` (made if absent); pages that are as they should be stay untouched."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        path, text = folder / f"{name}.md", page()
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; bars inside cells are masked."""
    lines = [list(heads)]
    lines += [["---"] * len(lines[0])]
    lines += [[" ".join(str(cell).replace("|", "\\|").split()) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _maps() -> str:
    def row(name: MapName) -> tuple[object, ...]:
        kinds = [kind for kind in (BundleKind.CASCADE, BundleKind.STREAMING) if kind in name.info.kinds]
        words = {kind: name.info.explain(kind) for kind in kinds}
        meaning = "; ".join(dict.fromkeys(words.values()))
        highest = f"{name.info.highest(5 if BundleKind.CASCADE in kinds else 4):.3g}"
        return (
            f"`{name.value}`",
            name.info.title,
            meaning,
            ", ".join(kinds),
            highest,
            name.info.use.name.lower(),
        )

    head = "# Maps\n\nEvery voxel-wise map, float32 on the grid of the scan, `FILE.nii.gz` in the case.\n\n"
    return head + table(("file", "title", "meaning", "method", "highest", "used"), map(row, MapName))


def _sizes() -> str:
    rows = (
        (f"`{size.key}`", size.label, unit_of(size.key), ", ".join(size.scans), size.code.meaning)
        for size in SIZES
    )
    head = "# Sizes\n\nKeys of `sizes` in `measures.json`, columns of `cohort.csv`.\n\n"
    return head + table(("key", "label", "unit", "measured on", "coded as"), rows)


def _files() -> str:
    head = "# Files of a case\n\nBesides these, one file for each [map](maps.md).\n\n"
    return head + table(("file", "what it holds"), ((f"`{name}`", text) for name, text in FILES.items()))


def _datasets() -> str:
    rows = (
        (
            f"`{one.key}`",
            one.title,
            one.layout,
            ", ".join(c.name for c in one.classes if c.value),
            one.licence,
        )
        for one in DATASETS
    )
    head = "# Data sets\n\nNames for `--dataset`. Your own scans: [A model of your own](../own-data.md).\n\n"
    return head + table(("name", "data", "layout", "classes", "licence"), rows)


def _exit_codes() -> str:
    rows = ((int(code), code.name, EXIT_CODES[code]) for code in errors.ExitCode)
    head = "# Exit codes\n\nOf `cardiacuq`. The reason is one line on standard error.\n\n"
    return head + table(("code", "name", "meaning"), rows)


def _recipes() -> str:
    parts = [
        "# Recipe keys\n\nA recipe is one YAML file; a misspelt key is an error. `--recipe` takes a file or "
    ]
    parts.append("the name of a shipped one (`CardiacUQTraining/training/recipes`).\n")
    seen: set[type[BaseModel]] = set()
    for model in (CascadeRecipe, StreamingRecipe):
        for one in _models(model):
            if one not in seen:
                seen.add(one)
                parts.append(_recipe(one))
    return "\n".join(parts)


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    found = [model]
    for field in model.model_fields.values():
        for inner in _classes(field.annotation):
            found += [one for one in _models(inner) if one not in found]
    return found


def _classes(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for part in get_args(annotation) for one in _classes(part)]


def _recipe(model: type[BaseModel]) -> str:
    rows = []
    for name, field in model.model_fields.items():
        default = "required"
        if not field.is_required():
            default = _value(field.get_default(call_default_factory=True))
        rows.append((f"`{name}`", _type(field.annotation), default))
    text = re.sub(r":\w+:(?=`)", "", " ".join((model.__doc__ or "").replace("``", "`").split()))
    return f"## {model.__name__}\n\n{text}\n\n{table(('key', 'type', 'default'), rows)}"


def _type(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{one.value}`" for one in annotation)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0])
    if origin in (types.UnionType, tuple, dict) or inner:
        words = [_type(one) for one in inner if one is not Ellipsis]
        return {tuple: "list of ", dict: "map of "}.get(origin or object, "") + " or ".join(
            dict.fromkeys(words)
        )
    return {type(None): "none"}.get(annotation, getattr(annotation, "__name__", f"`{annotation}`"))


def _value(value: object) -> str:
    if isinstance(value, BaseModel):
        return f"see {type(value).__name__}"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    return "none" if value is None else f"`{value}`"


def _commands() -> str:
    parts = ["# Commands\n\nWhat `cardiacuq COMMAND --help` says.\n"]
    for name in COMMANDS:
        command = typer.main.get_command(build_app(name))
        assert isinstance(command, click.Group) or hasattr(command, "commands")
        chosen = command.commands[name]  # type: ignore[attr-defined]
        for words, one in _leaves(("cardiacuq", name), chosen):
            text = one.get_help(
                click.Context(one, info_name=" ".join(words), terminal_width=100, max_content_width=100)
            )
            parts.append(f"## {' '.join(words[1:])}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def _leaves(words: tuple[str, ...], command: Any) -> list[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if not inner:
        return [(words, command)]
    return [leaf for name, one in inner.items() for leaf in _leaves((*words, name), one)]


def _api() -> str:
    parts = ["# Python API\n\nFrom the docstrings. `CardiacUQLib` itself has `read_volume`, `load_bundle`, "]
    parts.append("`segment`, `Result`, `Volume` and `errors`; what is not listed here may change.\n")
    for title, kind, names in API:
        if title:
            parts.append(f"## {title}\n")
        for name in names:
            options = "" if kind == "function" else ":members:\n"
            parts.append(
                f"```{{eval-rst}}\n.. auto{kind}:: {name}\n" + (f"   {options}" if options else "") + "```\n"
            )
    return "\n".join(parts)


PAGES: Mapping[str, Callable[[], str]] = {
    "maps": _maps,
    "sizes": _sizes,
    "files": _files,
    "datasets": _datasets,
    "exit-codes": _exit_codes,
    "recipes": _recipes,
    "commands": _commands,
    "api": _api,
}
"""Name of each page and who writes it."""

if __name__ == "__main__":
    write_reference(Path(sys.argv[1]))
