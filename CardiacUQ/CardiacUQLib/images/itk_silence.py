"""Keeping the C++ libraries under SimpleITK off the user's terminal."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator


class _Silence:
    """Counts the reads under way, so that the first one mutes ITK and the last one restores it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.readers = 0
        self.warnings_shown = True
        self.saved_stderr: int | None = None

    def enter(self) -> None:
        with self.lock:
            self.readers += 1
            if self.readers > 1:
                return
            import SimpleITK as sitk

            self.warnings_shown = sitk.ProcessObject.GetGlobalWarningDisplay()
            sitk.ProcessObject.SetGlobalWarningDisplay(False)
            try:
                self.saved_stderr = os.dup(2)
            except OSError:  # a GUI process without a console has no stderr to protect
                self.saved_stderr = None
                return
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.close(null)

    def leave(self) -> None:
        with self.lock:
            self.readers -= 1
            if self.readers:
                return
            import SimpleITK as sitk

            sitk.ProcessObject.SetGlobalWarningDisplay(self.warnings_shown)
            if self.saved_stderr is not None:
                os.dup2(self.saved_stderr, 2)
                os.close(self.saved_stderr)
                self.saved_stderr = None


_silence = _Silence()


@contextlib.contextmanager
def quiet_itk() -> Iterator[None]:
    """Keep ITK, nifti_clib, MetaIO and HDF5 off the terminal while a file is read or written.

    They print from C++ to file descriptor 2, so Python's sys.stderr cannot catch them. Safe with
    several threads; the descriptor is closed to others only for the few milliseconds of the access.
    """
    _silence.enter()
    try:
        yield
    finally:
        _silence.leave()
