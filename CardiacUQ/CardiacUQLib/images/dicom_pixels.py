"""Grey values of DICOM frames, from where their headers say the pixels lie.

Native pixels are read as numbers, without any library. Compressed ones are decoded in a process of its own
(:mod:`dicom_decode`): its death costs this case and says which file.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from .dicom_headers import DAMAGED, DEFLATED, EXPORT_AGAIN, FrameHeader, inflated
from .regular_file import open_regular
from .stored_grid import MOST_STACK_VOXELS, MOST_VOXELS

DECODE_SECONDS = 120.0
FRAME_SUFFIX = ".frame.dcm"


def read_stack(folder: Path, frames: Sequence[FrameHeader], most: int = MOST_STACK_VOXELS) -> np.ndarray:
    """Rescaled grey values of frames of one size, float32 (frame, rows, columns), in their order.

    Raises InputError naming a file without all its pixels, and for more than ``most`` voxels.
    """
    columns, rows = frames[0].size
    if columns * rows * len(frames) > most:
        problem = f"its headers ask for {columns} x {rows} x {len(frames)} voxels"
        raise InputError(folder, problem, f"at most {most // 10**6} million are read")
    stored = np.empty((len(frames), rows, columns), np.float32)
    compressed = [n for n, frame in enumerate(frames) if frame.pixels.length is None]
    by_file: dict[Path, list[int]] = {}
    for n, frame in enumerate(frames):
        if frame.pixels.length is not None:
            by_file.setdefault(frame.path, []).append(n)
    for path, numbers in by_file.items():
        for n, pixels in zip(numbers, _native(path, [frames[n] for n in numbers]), strict=True):
            stored[n] = _grey(pixels, frames[n])
    if compressed:
        for n, pixels in zip(compressed, _decoded([frames[n] for n in compressed]), strict=True):
            stored[n] = _grey(pixels, frames[n])
    return stored


def read_film(folder: Path, phases: Sequence[Sequence[FrameHeader]]) -> np.ndarray:
    """Grey values of a film given phase by phase, float32 (phase, slice, rows, columns)."""
    flat = read_stack(folder, [frame for phase in phases for frame in phase], MOST_VOXELS)
    return flat.reshape(len(phases), len(phases[0]), *flat.shape[1:])


def same_pixels(a: FrameHeader, b: FrameHeader) -> bool:
    """True if two frames show the same image."""
    if (a.size, a.slope, a.intercept) != (b.size, b.slope, b.intercept):
        return False
    first, second = (read_stack(frame.path, [frame]) for frame in (a, b))
    return bool(np.array_equal(first, second))


def _grey(pixels: np.ndarray, frame: FrameHeader) -> np.ndarray:
    """Stored values to grey values: unused high bits cleared, sign extended, rescaled."""
    place = frame.pixels
    values = pixels
    unused = place.bits_allocated - place.bits_stored
    if 0 < unused < place.bits_allocated and place.high_bit == place.bits_stored - 1:
        kind = np.dtype(f"{'i' if place.signed else 'u'}{place.bits_allocated // 8}")
        values = np.right_shift(np.left_shift(pixels.astype(kind), unused), unused)
    grey = values.astype(np.float32)
    if frame.slope != 1.0 or frame.intercept != 0.0:
        grey = (values.astype(np.float64) * frame.slope + frame.intercept).astype(np.float32)
    return -grey if place.photometric == "MONOCHROME1" else grey


def _native(path: Path, frames: Sequence[FrameHeader]) -> Iterator[np.ndarray]:
    place, (columns, rows) = frames[0].pixels, frames[0].size
    length = columns * rows * place.dtype.itemsize
    with open_regular(path) as stream:
        source = inflated(path, stream) if place.syntax == DEFLATED else stream
        for frame in frames:
            source.seek(place.offset + frame.frame * length)
            raw = source.read(length)
            if len(raw) < length:
                raise InputError(path, DAMAGED, EXPORT_AGAIN)
            yield np.frombuffer(raw, place.dtype).reshape(rows, columns)


def _decoded(frames: Sequence[FrameHeader]) -> Iterator[np.ndarray]:
    """Compressed frames, each decoded on its own and without any rescale."""
    with tempfile.TemporaryDirectory(prefix="cardiacuq-frames-") as scratch:
        _write_single_frames(frames, Path(scratch))
        _run_decoder(frames, Path(scratch))
        for n, frame in enumerate(frames):
            columns, rows = frame.size
            try:
                pixels = np.load(Path(scratch) / f"{n}.npy", allow_pickle=False)
            except (OSError, ValueError):
                raise InputError(frame.path, DAMAGED, EXPORT_AGAIN) from None
            if pixels.size != rows * columns:
                raise InputError(frame.path, DAMAGED, EXPORT_AGAIN)
            yield pixels.reshape(rows, columns)


def _write_single_frames(frames: Sequence[FrameHeader], folder: Path) -> None:
    """Each compressed frame as a DICOM file of its own with nothing but what the decoder needs."""
    by_file: dict[Path, list[int]] = {}
    for n, frame in enumerate(frames):
        by_file.setdefault(frame.path, []).append(n)
    for path, numbers in by_file.items():
        try:
            parts = _fragments(path, frames[numbers[0]])
            for n in numbers:
                _write_single_frame(frames[n], parts[frames[n].frame], folder / f"{n}{FRAME_SUFFIX}")
        except InputError:
            raise
        except Exception as error:  # pydicom raises many things at damaged fragments
            raise InputError(path, DAMAGED, EXPORT_AGAIN) from error


def _fragments(path: Path, frame: FrameHeader) -> list[bytes]:
    """The compressed bytes of every frame of a file."""
    from pydicom.encaps import generate_frames

    most = frame.size[0] * frame.size[1] * frame.frames * 8 + (1 << 20)
    with open_regular(path) as stream:
        stream.seek(frame.pixels.offset)
        encapsulated = stream.read(most)
    return list(generate_frames(encapsulated, number_of_frames=frame.frames))


def _write_single_frame(frame: FrameHeader, data: bytes, path: Path) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    meta.MediaStorageSOPInstanceUID = UID("1.2.3.4")
    meta.TransferSyntaxUID = UID(frame.pixels.syntax)
    single = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    single.SOPClassUID, single.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    single.Columns, single.Rows = frame.size
    single.SamplesPerPixel, single.PhotometricInterpretation = 1, "MONOCHROME2"
    place = frame.pixels
    single.BitsAllocated, single.BitsStored, single.HighBit = (
        place.bits_allocated,
        place.bits_stored,
        place.high_bit,
    )
    single.PixelRepresentation = int(place.signed)
    single.PixelData = encapsulate([data])
    single["PixelData"].is_undefined_length = True
    single.save_as(path, enforce_file_format=True)


def _run_decoder(frames: Sequence[FrameHeader], folder: Path) -> None:
    command = [
        shutil.which("PythonSlicer") or sys.executable,
        "-m",
        "CardiacUQLib.images.dicom_decode",
        str(folder),
    ]
    root = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(
            command,
            cwd=root,
            capture_output=True,
            timeout=DECODE_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        ended = done.returncode
    except (OSError, subprocess.TimeoutExpired):
        ended = -1
    if ended != 0:
        missing = next((n for n in range(len(frames)) if not (folder / f"{n}.npy").exists()), 0)
        problem = "its compressed pixels cannot be decoded"
        raise InputError(frames[missing].path, problem, "export the series uncompressed")
