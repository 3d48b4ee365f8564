#!/usr/bin/env python-real
"""Slicer command-line module: one volume in, label volume, uncertainty maps and measurements out.

The same call as ``cardiacuq segment``. Slicer passes files and reads ``<filter-progress>`` lines from
standard output; a failure is one line on standard error and an exit code.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from CardiacUQLib.inference.result import Result


POINT = "--rvInsertion"


def parser() -> argparse.ArgumentParser:
    """The parameters; ``CardiacUQSegment.xml`` describes the same ones to Slicer."""
    p = argparse.ArgumentParser(prog="CardiacUQSegment", description=__doc__.splitlines()[0])
    p.add_argument("inputVolume", type=Path)
    p.add_argument("--model", default="lge-cascade")
    p.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"])
    p.add_argument("--folds", default="")
    p.add_argument("--noFlips", action="store_true")
    p.add_argument(POINT, metavar="R,A,S")
    p.add_argument("--segmentation", type=Path)
    p.add_argument("--scs", type=Path)
    p.add_argument("--corrections", type=Path)
    p.add_argument("--errorProbability", type=Path)
    p.add_argument("--measurements", type=Path)
    p.add_argument("--caseFolder", type=Path)
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with the command line's arguments; returns the exit code."""
    options = parser().parse_args(_with_joined_point(sys.argv[1:] if arguments is None else arguments))
    _find_library()
    from CardiacUQLib.base.errors import CardiacUQError, ExitCode
    from CardiacUQLib.base.threads import wait_politely

    wait_politely()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _run(options)
    except CardiacUQError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code
    except MemoryError:
        print("out of memory; close other programs or use a machine with more", file=sys.stderr, flush=True)
        return ExitCode.MEMORY
    except KeyboardInterrupt:
        return ExitCode.CANCELLED
    return ExitCode.DONE


def _with_joined_point(arguments: Sequence[str]) -> list[str]:
    """Slicer hands a point over as two words; argparse takes a second one like "-12,3,40" for an option."""
    words = list(arguments)
    if POINT in words[:-1]:
        place = words.index(POINT)
        words[place : place + 2] = [f"{POINT}={words[place + 1]}"]
    return words


def _run(options: argparse.Namespace) -> None:
    from CardiacUQLib.base.progress import print_filter_progress
    from CardiacUQLib.bundles.bundle import load_bundle
    from CardiacUQLib.bundles.fold_numbers import parse_folds
    from CardiacUQLib.bundles.map_catalogue import MapName
    from CardiacUQLib.images.reading import read_volume, write_map
    from CardiacUQLib.measures.aha import parse_insertion

    point = options.rvInsertion
    insertion = parse_insertion(point, "anterior RV insertion") if point else None
    print_filter_progress(0.0, "loading")
    volume = read_volume(options.inputVolume)
    bundle = load_bundle(options.model)
    from CardiacUQLib.inference.segment import segment

    views = bundle.manifest.views[:1] if options.noFlips else None
    result = segment(
        volume,
        bundle,
        device=options.device,
        folds=parse_folds(options.folds),
        views=views,
        rv_insertion_ras=insertion,
        progress=print_filter_progress,
    )
    for line in (*volume.warnings, *result.run.warnings):
        print(line, flush=True)  # not to standard error: Slicer would call the run failed
    maps = {
        options.segmentation: result.segmentation,
        options.corrections: result.dcm,
        options.scs: result.maps.get(MapName.SCS),
        options.errorProbability: result.maps.get(MapName.ERROR_PROBABILITY),
    }
    for path, array in maps.items():
        if path is not None:
            write_map(_present(path, array, bundle.manifest.name), volume, path)
    if options.measurements is not None:
        _write_measurements(result, options.measurements)
    if options.caseFolder is not None:
        from CardiacUQLib.cases.casefolder import write_case

        write_case(result, options.caseFolder)
    print_filter_progress(1.0, "done")


def _present(path: Path, array: np.ndarray | None, model: str) -> np.ndarray:
    from CardiacUQLib.base.errors import UsageError

    if array is None:
        raise UsageError(f"{path}: the model {model} does not make this map; leave the output empty")
    return array


def _write_measurements(result: Result, path: Path) -> None:
    """Two columns, measure and value; nested measures are named with dots."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["measure", "value"])
        writer.writerows(_flat(result.measures).items())


def _flat(measures: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for name, value in measures.items():
        if isinstance(value, Mapping):
            rows.update(_flat(value, f"{prefix}{name}."))
        elif not isinstance(value, list | tuple):
            rows[prefix + str(name)] = value
    return rows


def _find_library() -> None:
    """Put CardiacUQLib on the path where Slicer has not: in a build tree and in the source tree."""
    if importlib.util.find_spec("CardiacUQLib") is not None:
        return
    here = Path(__file__).resolve()
    for folder in (here.parents[2], here.parents[1] / "qt-scripted-modules"):
        if (folder / "CardiacUQLib").is_dir():
            sys.path.insert(0, str(folder))
            return


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
