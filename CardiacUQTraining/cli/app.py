"""Entry point of ``cardiacuq``: picks the subcommand, and turns every failure into one line and an exit code.

Only the subcommand that was asked for is imported, so ``cardiacuq --help`` answers without loading torch.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, NoReturn

import typer

from CardiacUQLib.base.errors import CancelledError, CardiacUQError, ExitCode
from CardiacUQLib.base.terminal import show_what_the_terminal_can
from CardiacUQLib.base.threads import wait_politely
from CardiacUQLib.base.version import __version__

from .loudness import with_loudness
from .signals import ignore_signals, stop_on_signals
from .streams import lasting_streams
from .threads import RUNS_NETWORKS, with_threads

COMMANDS: dict[str, str] = {
    "demo": "Segment a synthetic scan and score it against its truth.",
    "segment": "Segment scans: one case folder each, with a report.",
    "dataset": "Check labelled data, or write a sample of some.",
    "train": "Train a model with a recipe.",
    "export": "Turn a training run into a model bundle.",
    "calibrate": "Fit verdict and intervals of a bundle on your own cases.",
    "statistics": "Store in a bundle what its training scans look like.",
    "evaluate": "Measure a model or a folder of cases against expert labels.",
    "benchmark": "Tables of the public failure-detection benchmark.",
    "compare": "Show where two label maps or probability volumes differ.",
    "models": "List the model bundles, or show the card of one.",
    "review": "Review cases in a browser: regions, decisions, painting.",
    "report": "Make report.html of a case folder anew.",
    "measure": "Measure a case folder anew, or ED and ES together.",
    "dicom": "Write a case folder as DICOM: SEG, maps, structured report.",
}
"""Subcommands in the order of the help page; each lives in ``CardiacUQTraining/cli/<name>.py``."""

COMPLETING = "_CARDIACUQ_COMPLETE"
"""Set by the shell where it asks how a line may go on."""

EXTRA_OF: dict[str, str] = {
    "matplotlib": "report",
    "highdicom": "dicom",
    "dask": "cluster",
    "distributed": "cluster",
    "lightning_fabric": "train",
    "monai": "train",
    "nibabel": "monai",
    "pydantic": "train",
    "sklearn": "train",
    "starlette": "web",
    "tensorboard": "train",
    "uvicorn": "web",
    "yaml": "train",
}
"""Which optional dependency of pyproject.toml brings a package."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``cardiacuq`` with ``arguments`` (default: the process's own) and return its exit code."""
    wait_politely()
    restore = stop_on_signals()
    try:
        return _heard(list(sys.argv[1:] if arguments is None else arguments))
    finally:
        restore()


def program() -> NoReturn:
    """The process ``cardiacuq``: once its work is done its exit code stands, whatever signal comes."""
    wait_politely()
    stop_on_signals()
    sys.exit(_heard(sys.argv[1:]))


def _heard(given: Sequence[str]) -> int:
    """Run the command, see that its words arrive, and leave signals ignored: the work is over."""
    code = int(ExitCode.CANCELLED)
    show_what_the_terminal_can()
    with lasting_streams() as output:
        with contextlib.suppress(KeyboardInterrupt):  # in the moment before signals are ignored
            code = _run(given)
            ignore_signals()
        output.flush()
        if output.problem and code == ExitCode.DONE:
            where = f"standard output could not be written ({output.problem})"
            code = _fail(f"{where}; the work is done, its results are in the files", ExitCode.USAGE)
    return code


def _run(given: Sequence[str]) -> int:
    try:
        build_app(_requested(given))(given, prog_name="cardiacuq")
    except SystemExit as exit_request:
        return exit_request.code if isinstance(exit_request.code, int) else int(exit_request.code is not None)
    except CardiacUQError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail(str(CancelledError()), ExitCode.CANCELLED)
    except ModuleNotFoundError as error:
        return _fail(_missing_package(error), ExitCode.USAGE)
    except MemoryError:
        return _fail("out of memory; close other programs, or use --folds 0 --no-tta", ExitCode.MEMORY)
    except OSError as error:
        if error.filename is None:
            return _fail(f"internal error: {_first_line(error)}; details in {_log_traceback()}", 1)
        return _fail(
            f"{error.filename}: {error.strerror}; choose another place or check its permissions",
            ExitCode.USAGE,
        )
    except Exception as error:
        return _fail(f"internal error: {_first_line(error)}; details in {_log_traceback()}", 1)
    return ExitCode.DONE


def build_app(requested: str | None) -> typer.Typer:
    """The command tree in which only ``requested`` is real; the others are names with a help line."""
    app = typer.Typer(
        help="Cardiac MRI segmentation that shows where it is unsure. Research use only.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, short_help in COMMANDS.items():
        if name == requested:
            _register(app, name, short_help)
        else:
            app.command(name, help=short_help)(_not_requested)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"cardiacuq {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options that belong to no subcommand."""


def _register(app: typer.Typer, name: str, short_help: str) -> None:
    module = importlib.import_module(f"{__package__}.{name}")
    if isinstance(group := getattr(module, "app", None), typer.Typer):
        for info in group.registered_commands:
            if info.callback is not None:
                info.callback = _interruptible(with_loudness(info.callback))
        app.add_typer(group, name=name, help=short_help)
    else:
        command = with_threads(module.command) if name in RUNS_NETWORKS else module.command
        app.command(name, short_help=short_help)(_interruptible(with_loudness(command)))


def _not_requested() -> None:
    raise AssertionError("a subcommand that was not asked for cannot run")


def _interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """Let Ctrl-C leave typer as our own error; typer itself would exit with 1."""

    @functools.wraps(command)
    def run(*args: object, **kwargs: object) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            raise CancelledError from None

    return run


def _requested(arguments: Sequence[str]) -> str | None:
    """The first argument that is not an option; the root command has no options with a value.

    A shell that completes a line names it in the environment instead.
    """
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    if COMPLETING in os.environ:
        arguments = line.split()[1:]
        return next((word for word in arguments if word in COMMANDS), None)
    return next((argument for argument in arguments if not argument.startswith("-")), None)


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    print(f"cardiacuq: {line}", file=sys.stderr, flush=True)
    return int(code)


def _missing_package(error: ModuleNotFoundError) -> str:
    package = (error.name or "").split(".")[0]
    if package not in EXTRA_OF:
        return f"this installation is incomplete ({error}); install it again: pip install cardiacuq"
    wanted = f"cardiacuq[{EXTRA_OF[package]}]"
    return f"this needs the Python package {package}; install it with: pip install '{wanted}'"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _log_traceback() -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="cardiacuq-", suffix=".log", encoding="utf-8", delete=False
    ) as log:
        log.write(traceback.format_exc())
    return log.name


if __name__ == "__main__":
    program()
