"""NIfTI-1 and NIfTI-2 headers (.nii, .nii.gz, .hdr with .img) as a :class:`StoredGrid`.

What the header says twice is settled here once: the size of a voxel in bytes by the datatype, never by
``bitpix``; the voxel size in mm by pixdim, or by the sform where pixdim is unusable; orientation and place by
the sform, else by the qform. Field offsets: nifti1.h and nifti2.h of the NIfTI standard.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from .regular_file import is_regular
from .stored_grid import COPY_AGAIN, LEAST_MM, MOST_MM, Axis, Encoding, Part, StoredGrid, geometry_from
from .volume import Geometry, vector3
from .voxels import first_bytes, is_gzipped

SUFFIXES = (".nii.gz", ".nii", ".hdr.gz", ".hdr", ".img.gz", ".img")
_SIZE_1, _SIZE_2 = 348, 540
_FIRST_VOXEL = {_SIZE_1: 352, _SIZE_2: 544}
_MOST_EXTENSION = 1 << 24
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
_SEVERAL = {32: 2, 128: 3, 1792: 2, 2048: 2, 2304: 4}
"""Datatypes whose voxels hold several numbers: complex, RGB, RGBA."""
_VECTOR_INTENT = 1007
_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])
_MM_PER_UNIT = {1: 1000.0, 3: 0.001}
"""xyzt_units: 1 metre, 2 millimetre, 3 micrometre; 0 says nothing."""


@dataclass(frozen=True)
class _Fields:
    """The fields that place and scale the voxels; ``sform`` (3, 4) in RAS as stored."""

    order: str
    dims: tuple[int, ...]
    datatype: int
    bits: int
    pixdim: tuple[float, ...]
    first_voxel: float
    slope: float
    intercept: float
    units: int
    intent: int
    qform_code: int
    sform_code: int
    quaternion: tuple[float, float, float]
    offset: tuple[float, float, float]
    sform: np.ndarray
    paired: bool

    @property
    def sform_scales(self) -> np.ndarray:
        return np.linalg.norm(self.sform[:, :3], axis=0)

    @property
    def sform_usable(self) -> bool:
        matrix, scales = self.sform, self.sform_scales
        if self.sform_code <= 0 or not np.isfinite(matrix).all() or (scales == 0).any():
            return False
        return abs(np.linalg.det(matrix[:, :3] / scales)) > 1e-3

    @property
    def pixdim_usable(self) -> bool:
        return all(np.isfinite(p) and p != 0 for p in self.pixdim[1:4])


def parse_nifti(path: Path) -> StoredGrid:
    """The grid of a NIfTI file, or of the .hdr/.img pair that ``path`` is one of; raises InputError."""
    header, data = _pair(path)
    raw = first_bytes(header, _SIZE_2)
    fields, size = _parse(raw, header)
    if fields.paired:
        if data == header:
            raise InputError(
                path, "this is the header of an .hdr/.img pair", "give the pair with these endings"
            )
    elif data != header:
        raise InputError(path, "this is an Analyze header without orientation", "save it as NIfTI (.nii.gz)")
    dtype = _dtype(header, fields)
    warnings: list[str] = []
    first = _first_voxel(path, fields, size, warnings)
    dims, components = _dims(path, fields)
    placed = _placed(path, fields, dims, warnings)
    axes = (Axis.K, Axis.J, Axis.I)
    shape = dims[2::-1]
    if len(dims) == 4:
        axes, shape = (Axis.FRAME, *axes), (dims[3], *shape)
    if components > 1:
        axes, shape = (Axis.COMPONENT, *axes), (components, *shape)
    zipped = is_gzipped(data)
    slope, intercept = _scale(fields, warnings)
    return StoredGrid(
        path=header if fields.paired else path,
        axes=axes,
        shape=shape,
        dtype=dtype,
        parts=(Part(data, 0 if zipped else first, first if zipped else 0),),
        encoding=Encoding.DEFLATED if zipped else Encoding.RAW,
        geometry=placed,
        placed=fields.pixdim_usable or fields.sform_usable,
        slope=slope,
        intercept=intercept,
        warnings=tuple(warnings),
    )


def _pair(path: Path) -> tuple[Path, Path]:
    """Header file and voxel file: the same one but for .hdr/.img."""
    name = path.name
    for header, data in ((".hdr", ".img"), (".hdr.gz", ".img.gz"), (".img", ".hdr"), (".img.gz", ".hdr.gz")):
        if name.lower().endswith(header):
            stem = name[: -len(header)]
            there = {other.name.lower(): other for other in path.parent.iterdir()} if is_regular(path) else {}
            other = there.get((stem + data).lower()) or there.get((stem + data.removesuffix(".gz")).lower())
            if other is None:
                raise InputError(path, f"its other half {stem}{data} is missing", "keep both files together")
            return (path, other) if header.startswith(".hdr") else (other, path)
    return path, path


def _parse(raw: bytes, path: Path) -> tuple[_Fields, int]:
    if len(raw) < 4 or not raw:
        raise InputError(path, "the file is empty" if not raw else "this is not a NIfTI file", COPY_AGAIN)
    for order in "<>":
        size = struct.unpack_from(order + "i", raw)[0]
        if size in (_SIZE_1, _SIZE_2):
            if len(raw) < size:
                raise InputError(path, "the file ends within its NIfTI header", COPY_AGAIN)
            return (_parse_1 if size == _SIZE_1 else _parse_2)(raw, order), size
    raise InputError(path, "this is not a NIfTI file", "give a NIfTI file (.nii, .nii.gz)")


def _parse_1(raw: bytes, order: str) -> _Fields:
    def read(form: str, offset: int) -> tuple[float, ...]:
        return struct.unpack_from(order + form, raw, offset)

    place = read("6f", 256)
    return _Fields(
        order=order,
        dims=tuple(int(n) for n in read("8h", 40)),
        intent=int(read("h", 68)[0]),
        datatype=int(read("h", 70)[0]),
        bits=int(read("h", 72)[0]),
        pixdim=read("8f", 76),
        first_voxel=read("f", 108)[0],
        slope=read("f", 112)[0],
        intercept=read("f", 116)[0],
        units=raw[123] & 7,
        qform_code=int(read("h", 252)[0]),
        sform_code=int(read("h", 254)[0]),
        quaternion=vector3(place[:3]),
        offset=vector3(place[3:]),
        sform=np.array(read("12f", 280), float).reshape(3, 4),
        paired=raw[344:347] == b"ni1",
    )


def _parse_2(raw: bytes, order: str) -> _Fields:
    def read(form: str, offset: int) -> tuple[float, ...]:
        return struct.unpack_from(order + form, raw, offset)

    place = read("6d", 352)
    return _Fields(
        order=order,
        dims=tuple(int(n) for n in read("8q", 16)),
        intent=int(read("i", 504)[0]),
        datatype=int(read("h", 12)[0]),
        bits=int(read("h", 14)[0]),
        pixdim=read("8d", 104),
        first_voxel=float(read("q", 168)[0]),
        slope=read("d", 176)[0],
        intercept=read("d", 184)[0],
        units=int(read("i", 500)[0]) & 7,
        qform_code=int(read("i", 344)[0]),
        sform_code=int(read("i", 348)[0]),
        quaternion=vector3(place[:3]),
        offset=vector3(place[3:]),
        sform=np.array(read("12d", 400), float).reshape(3, 4),
        paired=raw[4:7] == b"ni2",
    )


def _dtype(path: Path, fields: _Fields) -> np.dtype:
    if fields.datatype in _DTYPES:
        return np.dtype(fields.order + _DTYPES[fields.datatype])
    if fields.datatype in _SEVERAL:
        problem = f"its voxels have {_SEVERAL[fields.datatype]} values each"
        raise InputError(path, problem, "give a grey-value image with one number per voxel")
    raise InputError(path, f"its voxels are of NIfTI type {fields.datatype}", "give a grey-value image")


def _dims(path: Path, fields: _Fields) -> tuple[tuple[int, ...], int]:
    """Sizes x, y, z and perhaps t, and the number of values per voxel (the fifth dimension)."""
    count, *sizes = fields.dims
    if not 1 <= count <= 7 or any(n < 0 for n in sizes[:count]):
        problem = f"its NIfTI header has impossible dimensions {fields.dims}"
        raise InputError(path, problem, COPY_AGAIN)
    dims = [max(n, 1) for n in sizes[:count]]
    while len(dims) > 3 and dims[-1] == 1:
        dims.pop()
    components = 1
    if len(dims) == 5 and (dims[3] == 1 or fields.intent == _VECTOR_INTENT):
        components = dims.pop()
        while len(dims) > 3 and dims[-1] == 1:
            dims.pop()
    if not 3 <= len(dims) <= 4:
        text = " x ".join(str(n) for n in dims)
        problem = f"the image has {len(dims)} dimensions ({text})"
        raise InputError(path, problem, "give a 3D stack, or a cine with time as the fourth dimension")
    return tuple(dims), components


def _first_voxel(path: Path, fields: _Fields, size: int, warnings: list[str]) -> int:
    least = 0 if fields.paired else _FIRST_VOXEL[size]
    first = fields.first_voxel
    if not np.isfinite(first) or first < least:
        warnings.append("the NIfTI header gives no start of the voxels; the usual place is taken")
        return least
    if first > _MOST_EXTENSION:
        raise InputError(path, "its NIfTI header puts the voxels far beyond its end", COPY_AGAIN)
    return int(first)


def _scale(fields: _Fields, warnings: list[str]) -> tuple[float, float]:
    if fields.slope == 0 or not np.isfinite([fields.slope, fields.intercept]).all():
        warnings.append(
            "the NIfTI grey-value scale (scl_slope) is unusable; the stored values are taken as they are"
        )
        return 1.0, 0.0
    return fields.slope, fields.intercept


def _placed(path: Path, fields: _Fields, dims: tuple[int, ...], warnings: list[str]) -> Geometry:
    """Geometry of the three spatial axes; notes what the header says twice in two ways."""
    if not fields.pixdim_usable and not fields.sform_usable:
        sizes = " x ".join(f"{p:g}" for p in fields.pixdim[1:4])
        raise InputError(path, f"the voxel size is {sizes} mm", "export it again with its true voxel size")
    spacing = np.abs(fields.pixdim[1:4]) if fields.pixdim_usable else fields.sform_scales
    _note_sizes(fields, warnings)
    unit = _unit(fields, spacing, warnings)
    if fields.sform_usable:
        axes, origin = fields.sform[:, :3] / fields.sform_scales, fields.sform[:, 3]
    elif fields.qform_code > 0:
        axes, origin = _quaternion_axes(fields), np.asarray(fields.offset)
    else:
        axes, origin = _LPS_FROM_RAS, np.zeros(3)  # no position means x left, y back, z up
    geometry, sheared = geometry_from(
        path, dims[:3], spacing * unit, _LPS_FROM_RAS @ origin * unit, _LPS_FROM_RAS @ axes
    )
    if sheared:
        warnings.append("the NIfTI axes are not at right angles; the nearest right-angled ones are taken")
    return geometry


def _note_sizes(fields: _Fields, warnings: list[str]) -> None:
    if not fields.pixdim_usable:
        warnings.append("the NIfTI voxel size (pixdim) is unusable; the sform's is taken")
    elif fields.sform_usable:
        spacing, scales = np.abs(fields.pixdim[1:4]), fields.sform_scales
        if not np.allclose(spacing, scales, rtol=1e-2):
            warnings.append(
                f"the NIfTI sform says {_mm(scales)} voxels, pixdim {_mm(spacing)}; pixdim is taken"
            )
    elif fields.sform_code > 0:
        warnings.append("the NIfTI sform is set but empty; it is not used")
    if fields.pixdim_usable and min(fields.pixdim[1:4]) < 0:
        warnings.append("the NIfTI voxel size (pixdim) is negative; its size is taken")


def _unit(fields: _Fields, spacing: np.ndarray, warnings: list[str]) -> float:
    """Millimetres per unit of length; a unit that only makes the voxels impossible is not believed."""
    unit = _MM_PER_UNIT.get(fields.units, 1.0)
    if unit != 1.0:
        possible = all(LEAST_MM <= mm * unit <= MOST_MM for mm in spacing)
        name = "metres" if unit > 1 else "micrometres"
        if not possible and all(LEAST_MM <= mm <= MOST_MM for mm in spacing):
            warnings.append(f"the NIfTI header calls its lengths {name}; they are taken as millimetres")
            return 1.0
    return unit


def _mm(values: np.ndarray) -> str:
    return " x ".join(f"{v:.4g}" for v in values) + " mm"


def _quaternion_axes(fields: _Fields) -> np.ndarray:
    """Rotation of the qform, nifti1.h method 2: a = sqrt(1 - b^2 - c^2 - d^2), qfac flips k."""
    b, c, d = fields.quaternion
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
    axes[:, 2] *= -1 if fields.pixdim[0] < 0 else 1
    return axes
