"""Image files written byte by byte, so that their headers can say anything."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

SPACING = (1.25, 1.5, 9.0)
ORIGIN_RAS = (-20.0, 30.0, -40.0)
SHAPE = (5, 40, 36)
FRAMES = 4
CODES = {
    "u1": 2,
    "i2": 4,
    "i4": 8,
    "f4": 16,
    "f8": 64,
    "i1": 256,
    "u2": 512,
    "u4": 768,
    "i8": 1024,
    "u8": 1280,
}


def film(dtype: str = "i2", frames: int = FRAMES) -> np.ndarray:
    """Grey values (t, k, j, i), every frame another."""
    return np.random.default_rng(0).integers(0, 1000, (frames, *SHAPE)).astype(dtype)


def sform(spacing: tuple[float, ...] = SPACING) -> np.ndarray:
    """RAS matrix (3, 4) of an oblique grid."""
    x = np.array([0.6, 0.64, -0.48])
    y = np.cross([0.0, 0.6, 0.8], x)
    y /= np.linalg.norm(y)
    axes = np.stack([x / np.linalg.norm(x), y, np.cross(x, y) / np.linalg.norm(np.cross(x, y))], axis=1)
    return np.concatenate([axes * np.array(spacing), np.array(ORIGIN_RAS)[:, None]], axis=1)


def nifti(
    path: Path,
    stored: np.ndarray,
    *,
    pixdim: tuple[float, ...] = SPACING,
    srow: np.ndarray | None = None,
    order: str = "<",
    bits: int | None = None,
    dims: tuple[int, ...] | None = None,
    slope: float = 1.0,
    intercept: float = 0.0,
    first: float = 352.0,
    units: int = 10,
    code: int | None = None,
    magic: bytes = b"n+1\0",
    keep: float = 1.0,
) -> Path:
    """NIfTI-1 of ``stored`` (.., k, j, i); ``keep`` is the share of the voxel bytes that is written."""
    header = bytearray(348)

    def put(form: str, offset: int, *values: float) -> None:
        struct.pack_into(order + form, header, offset, *values)

    dims = stored.shape[::-1] if dims is None else dims
    dtype = stored.dtype.newbyteorder(order)
    put("i", 0, 348)
    put("8h", 40, len(dims), *dims, *([1] * (7 - len(dims))))
    put(
        "2h",
        70,
        CODES[stored.dtype.str[1:]] if code is None else code,
        dtype.itemsize * 8 if bits is None else bits,
    )
    put("8f", 76, 1.0, *pixdim, 30.0, 0.0, 0.0, 0.0)
    put("3f", 108, first, slope, intercept)
    header[123] = units
    put("2h", 252, 0, 1)
    put("12f", 280, *np.asarray(sform() if srow is None else srow, float).ravel())
    header[344:348] = magic
    voxels = stored.astype(dtype).tobytes()
    whole = bytes(header) + (b"\0" * 4 if magic == b"n+1\0" else b"") + voxels[: int(keep * len(voxels))]
    if magic == b"ni1\0":
        path.with_suffix(".img").write_bytes(voxels[: int(keep * len(voxels))])
        whole = bytes(header)
    path.write_bytes(gzip.compress(whole) if path.name.endswith(".gz") else whole)
    return path


def metaimage(path: Path, stored: np.ndarray, **fields: str) -> Path:
    """MetaImage (.mha) of ``stored``; ``fields`` replace header lines by key."""
    matrix, count = sform(), stored.ndim
    axes = np.diag([-1.0, -1.0, 1.0]) @ matrix[:, :3] / np.array(SPACING)
    whole = np.eye(count)
    whole[:3, :3] = axes.T
    offset = [*(np.diag([-1.0, -1.0, 1.0]) @ matrix[:, 3]), *([0.0] * (count - 3))]
    header = {
        "ObjectType": "Image",
        "NDims": str(count),
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": " ".join(f"{v:.9g}" for v in whole.ravel()),
        "Offset": " ".join(f"{v:.9g}" for v in offset),
        "ElementSpacing": " ".join(map(str, (*SPACING, 30.0)[:count])),
        "DimSize": " ".join(map(str, stored.shape[::-1])),
        "ElementType": {"i2": "MET_SHORT", "f4": "MET_FLOAT"}[stored.dtype.str[1:]],
        **fields,
        "ElementDataFile": "LOCAL",
    }
    text = "".join(f"{key} = {value}\n" for key, value in header.items())
    path.write_bytes(text.encode() + stored.tobytes())
    return path


def nrrd(path: Path, stored: np.ndarray, *, time_first: bool = False, **fields: str) -> Path:
    """NRRD of ``stored`` (t, k, j, i) or (k, j, i); with ``time_first`` as Slicer writes a sequence."""
    matrix = np.diag([-1.0, -1.0, 1.0]) @ sform()
    vectors = [f"({','.join(f'{v:.9g}' for v in matrix[:, n])})" for n in range(3)]
    kinds = ["domain"] * 3
    if stored.ndim == 4:
        place = 0 if time_first else 3
        vectors.insert(place, "none")
        kinds.insert(place, "list")
        stored = np.moveaxis(stored, 0, -1) if time_first else stored
    header = {
        "type": {"i2": "short", "f4": "float"}[stored.dtype.str[1:]],
        "dimension": str(stored.ndim),
        "space": "left-posterior-superior",
        "sizes": " ".join(map(str, stored.shape[::-1])),
        "space directions": " ".join(vectors),
        "kinds": " ".join(kinds),
        "endian": "little",
        "encoding": "gzip",
        "space origin": f"({','.join(f'{v:.9g}' for v in matrix[:, 3])})",
        **{key.replace("_", " "): value for key, value in fields.items()},
    }
    text = "NRRD0005\n# comment\n" + "".join(f"{key}: {value}\n" for key, value in header.items()) + "\n"
    voxels = np.ascontiguousarray(stored).tobytes()
    path.write_bytes(text.encode() + (gzip.compress(voxels) if header["encoding"] == "gzip" else voxels))
    return path
