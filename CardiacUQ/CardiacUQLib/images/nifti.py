"""NIfTI-1 headers: what ITK reads without a word, guesses, or refuses.

ITK fills the missing end of a truncated file with zeros, turns a spacing of 0 into 1 and refuses
sheared axes. This module looks into the header itself so that the first is an error, the second is
known, and the third can be read. Field offsets: nifti1.h of the NIfTI-1 standard.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..base.errors import InputError
from .volume import Geometry

_HEADER_BYTES = 348
FIRST_VOXEL = 352
_DTYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
FLOATING = frozenset({16, 64})
"""NIfTI datatypes that can hold NaN and infinity."""

_COMPLETE_COPY = "copy or export it again"
_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class NiftiHeader:
    """The fields that place and scale the voxels; ``sform`` (3, 4) in RAS as stored."""

    byte_order: str
    dims: tuple[int, ...]
    datatype: int
    bits: int
    pixdim: tuple[float, float, float]
    first_voxel: int
    slope: float
    intercept: float
    qform_code: int
    sform_code: int
    qfac: float
    quaternion: tuple[float, float, float]
    offset: tuple[float, float, float]
    sform: np.ndarray

    @property
    def sform_scales(self) -> np.ndarray:
        """Voxel size in mm according to the columns of the sform."""
        return np.linalg.norm(self.sform[:, :3], axis=0)

    @property
    def sform_usable(self) -> bool:
        """True if the sform is set, finite and not flat."""
        matrix = self.sform
        if self.sform_code <= 0 or not np.isfinite(matrix).all() or (self.sform_scales == 0).any():
            return False
        return abs(np.linalg.det(matrix[:, :3] / self.sform_scales)) > 1e-3

    @property
    def pixdim_usable(self) -> bool:
        """True if the three voxel sizes are finite and not zero."""
        return all(np.isfinite(p) and p != 0 for p in self.pixdim)

    @property
    def voxel_bytes(self) -> int:
        """Bytes of voxel data the header promises."""
        return int(np.prod([max(d, 1) for d in self.dims], dtype=np.int64)) * self.bits // 8


def _open(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if is_gzipped(path) else path.open("rb")


def is_gzipped(path: Path) -> bool:
    """True if the file is gzip-compressed, whatever its name says."""
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def read_header(path: Path) -> NiftiHeader:
    """The header of a NIfTI-1 file, plain or gzipped; raises InputError if it is none."""
    try:
        with _open(path) as stream:
            raw = stream.read(_HEADER_BYTES)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(path, "the file is truncated or damaged", _COMPLETE_COPY) from None
    if len(raw) < _HEADER_BYTES:
        raise InputError(path, "the file ends within its NIfTI header", _COMPLETE_COPY)
    if 540 in (struct.unpack_from("<i", raw)[0], struct.unpack_from(">i", raw)[0]):
        raise InputError(path, "this is a NIfTI-2 file", "save it as NIfTI-1, NRRD or MetaImage")
    order = next((o for o in "<>" if struct.unpack_from(o + "i", raw)[0] == _HEADER_BYTES), "")
    if not order:
        raise InputError(path, "this is not a NIfTI file", "give a NIfTI-1 file (.nii, .nii.gz)")
    return _parse(raw, order, path)


def _parse(raw: bytes, order: str, path: Path) -> NiftiHeader:
    dim = struct.unpack_from(order + "8h", raw, 40)
    if not 1 <= dim[0] <= 7 or any(d < 0 for d in dim[1 : dim[0] + 1]):
        raise InputError(path, f"its NIfTI header has impossible dimensions {dim}", _COMPLETE_COPY)
    dims = [max(d, 1) for d in dim[1 : dim[0] + 1]]
    while len(dims) > 3 and dims[-1] == 1:
        dims.pop()
    datatype, bits = struct.unpack_from(order + "2h", raw, 70)
    pixdim = struct.unpack_from(order + "8f", raw, 76)
    first_voxel, slope, intercept = struct.unpack_from(order + "3f", raw, 108)
    qform_code, sform_code = struct.unpack_from(order + "2h", raw, 252)
    quatern = struct.unpack_from(order + "6f", raw, 256)
    return NiftiHeader(
        byte_order=order,
        dims=tuple(dims),
        datatype=datatype,
        bits=bits,
        pixdim=pixdim[1:4],
        first_voxel=int(first_voxel) if np.isfinite(first_voxel) else 0,
        slope=slope,
        intercept=intercept,
        qform_code=qform_code,
        sform_code=sform_code,
        qfac=pixdim[0],
        quaternion=quatern[:3],
        offset=quatern[3:],
        sform=np.array(struct.unpack_from(order + "12f", raw, 280), float).reshape(3, 4),
    )


def check_complete(path: Path, header: NiftiHeader) -> None:
    """Raise InputError if the file holds fewer voxels than promised or its compression is damaged."""
    wanted = max(header.first_voxel, FIRST_VOXEL) + header.voxel_bytes
    found = 0
    try:
        with _open(path) as stream:
            while block := stream.read(1 << 20):
                found += len(block)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(path, "the file is truncated or damaged", _COMPLETE_COPY) from None
    if found < wanted:
        problem = f"the file is truncated: {found} of {wanted} bytes are there"
        raise InputError(path, problem, _COMPLETE_COPY)


def oddities(header: NiftiHeader) -> tuple[str, ...]:
    """One line for each oddity of the header that changes what a reader may expect."""
    lines = []
    if header.slope == 0 or not np.isfinite([header.slope, header.intercept]).all():
        lines.append(
            "the NIfTI grey-value scale (scl_slope) is unusable; the stored values are taken as they are"
        )
    if not header.pixdim_usable and header.sform_usable:
        lines.append("the NIfTI voxel size (pixdim) is unusable; the sform's is taken")
    elif header.sform_usable:
        spacing, scales = np.abs(header.pixdim), header.sform_scales
        if not np.allclose(spacing, scales, rtol=1e-2):
            lines.append(f"the NIfTI sform says {_mm(scales)} voxels, pixdim {_mm(spacing)}; pixdim is taken")
    elif header.sform_code > 0:
        lines.append("the NIfTI sform is set but empty; it is not used")
    if header.pixdim_usable and min(header.pixdim) < 0:
        lines.append("the NIfTI voxel size (pixdim) is negative; its size is taken")
    return tuple(lines)


def _mm(values: np.ndarray) -> str:
    return " x ".join(f"{v:.4g}" for v in values) + " mm"


def read_stored(path: Path, header: NiftiHeader) -> tuple[np.ndarray, Geometry]:
    """Voxels (k, j, i) and geometry of a 3D file whose header ITK refuses or misreads.

    The direction is the rotation nearest to the header's axes (polar decomposition); the spacing is
    pixdim, or the length of the sform's columns where pixdim is unusable. Raises InputError for voxel
    types that are not plain numbers.
    """
    if header.datatype not in _DTYPES:
        raise InputError(path, f"its voxels are of NIfTI type {header.datatype}", "give a grey-value image")
    dtype = np.dtype(header.byte_order + _DTYPES[header.datatype])
    count = int(np.prod(header.dims[:3]))
    with _open(path) as stream:
        stream.read(max(header.first_voxel, FIRST_VOXEL))
        stored = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
    if stored.size < count:
        raise InputError(path, "the file is truncated", _COMPLETE_COPY)
    stored = stored.reshape(header.dims[:3][::-1]).astype(np.float64)
    if header.slope != 0 and np.isfinite([header.slope, header.intercept]).all():
        stored = stored * header.slope + header.intercept
    return stored, _geometry(header)


def _geometry(header: NiftiHeader) -> Geometry:
    spacing = np.abs(header.pixdim) if header.pixdim_usable else header.sform_scales
    origin = np.asarray(header.offset)
    if header.sform_usable:
        origin = header.sform[:, 3]
        left, _, right = np.linalg.svd(header.sform[:, :3] / header.sform_scales)
        axes = left @ right
    elif header.qform_code > 0:
        axes = _quaternion_axes(header)
    else:
        origin, axes = np.zeros(3), _LPS_FROM_RAS  # as ITK: no position means x left, y back, z up
    return Geometry(
        size=header.dims[:3],
        spacing=tuple(float(v) for v in spacing),
        origin=tuple(float(v) for v in _LPS_FROM_RAS @ origin),
        direction=tuple(float(v) for v in (_LPS_FROM_RAS @ axes).ravel()),
    )


def _quaternion_axes(header: NiftiHeader) -> np.ndarray:
    """Rotation of the qform, nifti1.h method 2: a = sqrt(1 - b^2 - c^2 - d^2), qfac flips k."""
    b, c, d = header.quaternion
    length = b * b + c * c + d * d
    if not np.isfinite(length):
        return np.eye(3)
    if length > 1:
        b, c, d = (v / np.sqrt(length) for v in (b, c, d))
    a = np.sqrt(max(0.0, 1 - (b * b + c * c + d * d)))
    axes = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    axes[:, 2] *= -1 if header.qfac < 0 else 1
    return axes
