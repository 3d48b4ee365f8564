"""A new folder that appears whole or not at all, for bundles of either layout."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.safe_files import flush, flush_tree, unused_name


def check_absent(output: Path) -> None:
    """Raise UsageError if something stands at ``output``."""
    if output.exists():
        raise UsageError(f"{output}: exists already; choose another folder or move it away")


@contextmanager
def whole_folder(output: Path) -> Iterator[Path]:
    """Yield a folder beside ``output`` that takes its place once the block ends well, else goes.

    Raises UsageError for an existing ``output``, OSError if it cannot be written.
    """
    check_absent(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = unused_name(output, "partial")
    try:
        partial.mkdir()
        yield partial
        flush_tree(partial)
        partial.rename(output)
        flush(output.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
