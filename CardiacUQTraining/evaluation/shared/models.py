"""What can be judged: a bundle, or a training run as the bundle that it would become."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.bundles.bundle import MANIFEST, Bundle, load_bundle

from ...export.bundle import export_run
from ...training.run_folder import RunFolder


@contextmanager
def opened_model(model: Path | str, *, to_be_changed: bool = False) -> Iterator[Bundle]:
    """A bundle by name or folder, or the finished folds of a training run as a bundle that is thrown away.

    Raises InputError for a folder that is neither, UsageError for a run that something shall be stored in
    (``to_be_changed``; it would be lost), else as :func:`CardiacUQLib.bundles.bundle.load_bundle` and
    :func:`CardiacUQTraining.export.bundle.bundle.bundle.export_run` do.
    """
    path = Path(model)
    if path.is_dir() and not any(file.is_file() for file in (path / MANIFEST, RunFolder(path).record)):
        problem = "holds no evaluation, no bundle and no training run"
        raise InputError(path, problem, "give a folder that evaluate, export or train wrote")
    if not RunFolder(path).record.is_file():
        yield load_bundle(model)
        return
    if to_be_changed:
        raise UsageError(f"{path}: is a training run; export it to store anything: cardiacuq export {path}")
    with tempfile.TemporaryDirectory(prefix="cardiacuq-run-") as scratch:
        yield load_bundle(export_run(path, Path(scratch) / path.resolve().name))
