#!/usr/bin/env python-real
"""Slicer command-line module: one volume in, label volume, uncertainty maps and measurements out.

The same call as ``cardiacuq segment``. Slicer passes files and reads ``<filter-progress>`` lines from
standard output; a failure is one line on standard error and an exit code.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from CardiacUQLib.inference.result import Result


POINT = "--rvInsertion"
MODELS = ["lge-cascade", "cine-streaming"]
"""Bundles that come with the extension; any other is given by its folder."""


def parser() -> argparse.ArgumentParser:
    """The parameters; ``CardiacUQSegment.xml`` describes the same ones to Slicer."""
    p = argparse.ArgumentParser(prog="CardiacUQSegment", description=(__doc__ or "").partition("\n")[0])
    p.add_argument("inputVolume", type=Path)
    p.add_argument("--model", default=MODELS[0], choices=MODELS)
    p.add_argument("--modelFolder", type=Path, help="folder of a bundle, in place of --model")
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
    """Run with the command line's arguments; returns the exit code, after one line on standard error if it
    is not 0."""
    options = parser().parse_args(_with_joined_point(sys.argv[1:] if arguments is None else arguments))
    if not _find_library():
        return _fail("CardiacUQLib is not beside this module; install the extension again", 1)
    from CardiacUQLib.base.errors import CardiacUQError, ExitCode
    from CardiacUQLib.base.threads import wait_politely

    wait_politely()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _run(options)
    except CardiacUQError as error:
        return _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        remedy = "open the module CardiacUQ and press Check installation"
        return _fail(f"the Python package {error.name} is missing; {remedy}", ExitCode.USAGE)
    except OSError as error:
        where = error.filename or "an output"
        return _fail(f"{where}: cannot be read or written ({error.strerror or error})", ExitCode.USAGE)
    except MemoryError:
        return _fail("out of memory; close other programs or use a machine with more", ExitCode.MEMORY)
    except KeyboardInterrupt:
        return ExitCode.CANCELLED
    except Exception as error:  # whatever it is, Slicer's log gets one line and not our stack
        return _fail(f"unexpected {type(error).__name__}: {error}", 1)
    return ExitCode.DONE


def _fail(line: str, code: int) -> int:
    print(" ".join(line.split()), file=sys.stderr, flush=True)
    return code


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
    from CardiacUQLib.measures.insertion import parse_insertion

    point = options.rvInsertion
    insertion = parse_insertion(point, "anterior RV insertion") if point else None
    print_filter_progress(0.0, "loading")
    _check_outputs(options)
    volume = read_volume(options.inputVolume)
    bundle = load_bundle(options.modelFolder or options.model)
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
        from CardiacUQLib.cases.writing import write_case
        from CardiacUQLib.report import can_render, report_writer

        writers = (report_writer(volume.name),) if can_render() else ()
        write_case(result, options.caseFolder, extra_writers=writers)
    print_filter_progress(1.0, "done")


def _check_outputs(options: argparse.Namespace) -> None:
    """A folder that cannot be written is found before the work, not after it."""
    from CardiacUQLib.base.errors import UsageError

    files = (options.segmentation, options.corrections, options.scs, options.errorProbability)
    for path in (*files, options.measurements):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"{path}: there is no folder {path.parent}; choose another place")
        if path is not None and not os.access(path.absolute().parent, os.W_OK):
            raise UsageError(f"{path}: the folder cannot be written to; choose another place")


def _present(path: Path, array: np.ndarray | None, model: str) -> np.ndarray:
    from CardiacUQLib.base.errors import UsageError

    if array is None:
        raise UsageError(f"{path}: the model {model} does not make this map; leave the output empty")
    return array


def _write_measurements(result: Result, path: Path) -> None:
    """One row per measure: name, value, unit, ends of its interval, how sure the interval is; then the
    segments, then everything else with nested names joined by dots."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["measure", "value", "unit", "low", "high", "interval"])
        writer.writerows(measure_rows(result.measures))


def measure_rows(measures: Mapping[str, Any]) -> Iterator[list[Any]]:
    """The rows of the table; see :func:`_write_measurements`."""
    for key, entry in measures.get("sizes", {}).items():
        low, high = entry.get("interval") or (None, None)
        about = ""
        if low is not None:
            about = f"{100 * entry['level']:.0f} %" if entry["calibrated"] else "passes"
        yield [key, entry["value"], entry.get("unit", ""), low, high, about]
    segments = measures.get("segments") or {}
    for place in ("segments", "territories"):
        for segment in segments.get(place, ()):
            for key, value in segment.items():
                if key not in ("name", "segments"):
                    yield [f"{segment['name']}: {key}", value, "", None, None, ""]
    rest = {key: value for key, value in measures.items() if key not in ("sizes", "segments")}
    for name, value in _flat(rest).items():
        yield [name, value, "", None, None, ""]


def _flat(measures: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for name, value in measures.items():
        if isinstance(value, Mapping):
            rows.update(_flat(value, f"{prefix}{name}."))
        elif not isinstance(value, list | tuple):
            rows[prefix + str(name)] = value
    return rows


def _find_library() -> bool:
    """Put CardiacUQLib on the path where Slicer has not: in a build tree, of one or of several
    configurations, and in the source tree. False if it is nowhere."""
    if importlib.util.find_spec("CardiacUQLib") is not None:
        return True
    here = Path(__file__).resolve()
    scripted = "qt-scripted-modules"
    # cli-modules/, or cli-modules/Release/ where a build tree holds several configurations
    places = [here.parents[2], here.parents[1] / scripted, here.parents[2] / scripted]
    places.append(here.parents[2] / scripted / here.parent.name)
    for folder in places:
        if (folder / "CardiacUQLib").is_dir():
            sys.path.insert(0, str(folder))
            return True
    return False


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
