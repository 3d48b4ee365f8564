"""The process that decodes compressed DICOM frames: ``python -m CardiacUQLib.images.dicom_decode FOLDER``.

Native code sees foreign bytes here and nowhere else, with bounded memory; each ``N.frame.dcm`` becomes
``N.npy``. If it dies, the reader says which file was next.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

FRAME_SUFFIX = ".frame.dcm"
MOST_MEMORY = 4 << 30


def main(folder: Path) -> int:
    """Decode all frames of ``folder`` in their order; 1 at the first that cannot be decoded."""
    _limit_memory()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    for path in sorted(folder.glob(f"*{FRAME_SUFFIX}"), key=lambda path: int(path.name.partition(".")[0])):
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.SetImageIO("GDCMImageIO")
        try:
            pixels = sitk.GetArrayFromImage(reader.Execute())
        except RuntimeError:
            return 1
        np.save(folder / f"{path.name.partition('.')[0]}.npy", pixels, allow_pickle=False)
    return 0


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
