"""A bundle under a new name, to be changed while the one it comes from stays as it is."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from CardiacUQLib.base.safe_files import write_whole
from CardiacUQLib.base.writable import check_writable
from CardiacUQLib.bundles.bundle import MODEL_CARD, Bundle, load_bundle, write_manifest

from .model_card import model_card
from .whole_folder import check_absent, whole_folder


def check_new_bundle(output: Path) -> None:
    """Raise UsageError unless a bundle can be made at ``output``, where nothing may stand."""
    check_absent(output)
    check_writable(output.absolute().parent, output)


@contextmanager
def copied_bundle(bundle: Bundle, output: Path) -> Iterator[Bundle]:
    """A copy named after ``output``, to be changed in the block; it stands there once the block ends well.

    Its card is written anew from the manifest as it then is. Raises UsageError as :func:`check_new_bundle`.
    """
    check_new_bundle(output)
    with whole_folder(output) as partial:
        for weight in bundle.manifest.weights:
            shutil.copyfile(bundle.folder / weight.file, partial / weight.file)
        write_manifest(dataclasses.replace(bundle.manifest, name=output.name), partial)
        yield load_bundle(partial)
        write_whole(partial / MODEL_CARD, model_card(load_bundle(partial).manifest))
