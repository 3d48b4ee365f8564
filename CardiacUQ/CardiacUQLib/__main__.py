"""The child process that Slicer starts: ``python -m CardiacUQLib --input FILE --output DIR --model NAME``.

It segments one volume and writes its case folder. Exit codes are those of :class:`ExitCode`; a failure
is one line on standard error; SIGINT and SIGTERM end it with 130 and nothing half-written. With ``--wait``
alone it loads torch and takes its arguments later, so that the run itself begins at once.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from .base.errors import CardiacUQError, ExitCode, UsageError
from .base.lasting_imports import lasting_imports
from .base.progress import ignore_progress, portion, print_filter_progress
from .base.terminal import show_what_the_terminal_can
from .base.threads import wait_politely
from .bundles.fold_numbers import parse_folds
from .bundles.manifest import View
from .childprocess import WAIT
from .studies.options import CaseOptions

PREVIEW_SUFFIX = ".preview"
_PREVIEW_SHARE = 0.2


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line ``arguments`` (default: those of the process); returns the exit code."""
    wait_politely()
    _stop_on_signals()
    show_what_the_terminal_can()
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if arguments == [WAIT]:
            arguments = _awaited_arguments()
        if arguments is not None:
            _run(_parse(arguments))
    except CardiacUQError as error:
        return _fail(str(error), error.exit_code)
    except MemoryError:
        return _fail("out of memory; close other programs or use a machine with more", ExitCode.MEMORY)
    except KeyboardInterrupt:
        return _fail("cancelled", ExitCode.CANCELLED)
    return ExitCode.DONE


def _awaited_arguments() -> list[str] | None:
    """Load what every run needs, say which devices there are, and wait for the arguments of a run: a JSON
    list on one line of standard input. None if the parent has gone without asking for one."""
    with lasting_imports():
        for name in ("images.reading", "bundles.bundle", "cases.casefolder", "report", "inference.segment"):
            importlib.import_module(f".{name}", __package__)
    from .inference.device import available_devices, choose_device, describe

    found = [[name, describe(choose_device(name))] for name in available_devices()]
    print(f"<filter-devices>{json.dumps(found)}</filter-devices>", flush=True)
    line = sys.stdin.readline()
    return json.loads(line) if line.strip() else None


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="python -m CardiacUQLib", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--input", type=Path, required=True, help="image file or DICOM series folder")
    parser.add_argument("--output", type=Path, required=True, help="folder that gets the case folder")
    parser.add_argument("--model", required=True, help="name of a bundle, or its folder")
    parser.add_argument("--name", help="name of the case folder (default: that of the input)")
    parser.add_argument("--series", help="DICOM series instance UID, where the folder holds several")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--precision", default="auto", help="auto, float32 or bf16")
    parser.add_argument("--folds", help="comma-separated fold numbers (default: all)")
    parser.add_argument("--no-tta", action="store_true", help="one view of every slice")
    parser.add_argument(
        "--rv-insertion", metavar="R,A,S", help="anterior RV insertion in mm, from which AHA segments count"
    )
    parser.add_argument(
        "--preview", action="store_true", help="write a one-fold result to NAME.preview first"
    )
    parser.add_argument("--film", action="store_true", help="segment end-diastole and end-systole of a cine")
    parser.add_argument("--ed", type=int, help="frame of end-diastole from 0; found on the film if left out")
    parser.add_argument("--es", type=int, help="frame of end-systole from 0; found on the film if left out")
    parser.add_argument(
        "--end-systole", type=Path, metavar="FILE", help="second phase of a study whose first is --input"
    )
    parser.add_argument("--probabilities", action="store_true", help="also write the class probabilities")
    parser.add_argument(
        "--keep-unlike", action="store_true", help="write a result even where nothing like a heart was found"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing case folder")
    parser.add_argument("--progress", action="store_true", help="print Slicer's <filter-progress> lines")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> None:
    progress = print_filter_progress if options.progress else ignore_progress
    asked = CaseOptions(
        options.device,
        options.precision,
        parse_folds(options.folds),
        (View.IDENTITY,) if options.no_tta else None,
        _insertion(options.rv_insertion),
        options.probabilities,
        options.keep_unlike,
    )
    progress(0.0, "loading")
    # Imported here: a wrong option shall not wait for torch.
    from .bundles.bundle import load_bundle
    from .cases.writing import check_case
    from .images.reading import read_volume
    from .studies.scan import segment_to_folder

    if options.film:
        _run_film(options, asked)
        return
    if options.end_systole is not None:
        _run_pair(options, asked)
        return
    volume = read_volume(options.input, series=options.series)
    name = options.name or volume.name
    check_case(options.output, name, overwrite=options.overwrite)
    bundle = load_bundle(options.model)
    start = 0.0
    if options.preview:
        first = replace(asked, folds=(asked.folds or bundle.manifest.folds)[:1], views=(View.IDENTITY,))
        segment_to_folder(
            volume,
            bundle,
            options.output / (name + PREVIEW_SUFFIX),
            replace(first, report=False, probabilities=False, seek_insertion=False),
            overwrite=True,
            progress=portion(progress, 0.0, _PREVIEW_SHARE),
        )
        progress(_PREVIEW_SHARE, "preview written")
        start = _PREVIEW_SHARE
    target, rest = options.output / name, portion(progress, start, 1.0)
    segment_to_folder(volume, bundle, target, asked, overwrite=options.overwrite, progress=rest)
    progress(1.0, "done")


def _run_film(options: argparse.Namespace, asked: CaseOptions) -> None:
    """A cine study: two case folders and their summary in the output folder."""
    from .bundles.bundle import load_bundle
    from .studies.cine import segment_cine

    segment_cine(
        options.input,
        load_bundle(options.model),
        options.output,
        series=options.series,
        name=options.name,
        ed=options.ed,
        es=options.es,
        networks=asked,
        overwrite=options.overwrite,
        progress=print_filter_progress if options.progress else ignore_progress,
    )


def _run_pair(options: argparse.Namespace, asked: CaseOptions) -> None:
    """The same of end-diastole and end-systole in two files."""
    from .bundles.bundle import load_bundle
    from .images.reading import read_volume
    from .studies.cine import segment_pair

    volume = read_volume(options.input, series=options.series)
    segment_pair(
        volume,
        read_volume(options.end_systole),
        load_bundle(options.model),
        options.output,
        options.name or volume.name,
        networks=asked,
        overwrite=options.overwrite,
        progress=print_filter_progress if options.progress else ignore_progress,
    )


def _insertion(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    from .measures.insertion import parse_insertion

    return parse_insertion(text)


def _fail(line: str, code: ExitCode) -> ExitCode:
    print(" ".join(line.split()), file=sys.stderr, flush=True)
    return code


def _stop_on_signals() -> None:
    """SIGINT and SIGTERM raise KeyboardInterrupt, once: the tidying up is not to be interrupted."""

    def stop(number: int, frame: FrameType | None) -> None:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_IGN)
        raise KeyboardInterrupt

    # Only the main thread may set handlers; a caller in another thread keeps its own.
    with contextlib.suppress(ValueError):
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, stop)


if __name__ == "__main__":
    code = main()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)  # the work is done: its exit code stands
    sys.exit(code)
