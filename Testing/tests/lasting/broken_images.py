"""Scans, films and series that are not what they should be."""

from __future__ import annotations

import gzip
import random
import struct
from pathlib import Path

import numpy as np
from breaking import broken_lines, flipped, repacked, truncated
from material import Material
from trials import ANY, REFUSED, Trial, as_undamaged, segment

NIFTI_FIELDS = {
    "bitpix": (72, "<h", (0, 1, -1, -16, 8, 32767)),
    "datatype": (70, "<h", (0, 1, 2, 8, 64, 128, 512, 1792, -1)),
    "dim0": (40, "<h", (0, 2, 4, 5, 7, 8, -3, 999)),
    "dim1": (42, "<h", (0, -1, 1, 32767, 43)),
    "dim3": (46, "<h", (0, -1, 2, 3, 32767, 5)),
    "pixdim1": (80, "<f", (0, -1, 1e-30, 1e30, np.nan, np.inf, 1e-3)),
    "pixdim3": (88, "<f", (0, -10, 1e-30, 1e30, np.nan, np.inf, 500)),
    "vox_offset": (108, "<f", (0, 1, 351, 1e9, -1, np.nan)),
    "scl_slope": (112, "<f", (np.nan, np.inf, 1e30)),
    "scl_inter": (116, "<f", (np.nan, 1e30)),
    "qform_code": (252, "<h", (-1, 9)),
    "sform_code": (254, "<h", (-1, 9, 0)),
    "quatern_b": (256, "<f", (np.nan, 5, 1e30)),
    "srow_x": (280, "<f", (np.nan, 0, 1e30)),
    "sizeof_hdr": (0, "<i", (0, 540, 0x5C010000, -1)),
    "magic": (344, "<i", (0, -1)),
}
ODD_LINES = (
    "NDims = -3",
    "NDims = 999",
    "DimSize = 0 0 0",
    "DimSize = 99999 99999 99999",
    "ElementType = MET_FOO",
    "ElementDataFile = ../../../etc/passwd",
    "ElementDataFile = LIST",
    "ElementDataFile = \xff\xfe",
    "CompressedData = True",
    "ElementSpacing = 0 0 0",
    "ElementSpacing = nan 1 1",
    "HeaderSize = -1",
    "HeaderSize = 99999999999",
    "BinaryDataByteOrderMSB = Perhaps",
    "dimension: 99",
    "dimension: -3",
    "sizes: 0 0 0",
    "sizes: 4 4",
    "sizes: 99999 99999 99999",
    "type: block",
    "encoding: morse",
    "encoding: gzip",
    "data file: /dev/zero",
    "data file: LIST",
    "byte skip: -2",
    "byte skip: 99999999999",
    "space directions: none none none",
    "space directions: (nan,0,0) (0,1,0) (0,0,1)",
    "endian: middle",
    "",
    "\x00\x01",
    "-1",
    "nan",
    "1e308",
    "x" * 3000,
)


def nifti_field(material: Material, place: Path, dice: random.Random) -> Trial:
    """One field of the header says something else; the gzip checksum is right."""
    scan = material.copy(material.scans["nii.gz"], place)
    name = dice.choice(list(NIFTI_FIELDS))
    offset, kind, values = NIFTI_FIELDS[name]
    value = dice.choice(values)

    def change(content: bytearray) -> None:
        struct.pack_into(kind, content, offset, value)

    repacked(scan, change)
    return _trial(material, scan, place, f"NIfTI {name} = {value}", dice)


def nifti_cut(material: Material, place: Path, dice: random.Random) -> Trial:
    """A file that ends too early, with a header that hides it as often as not."""
    plain = dice.random() < 0.5
    scan = material.copy(material.scans["nii" if plain else "nii.gz"], place)
    share, bits = dice.uniform(0.0, 0.99), dice.choice((32, 32, 0, 1, -1, -16))

    def change(content: bytearray) -> bytearray:
        struct.pack_into("<h", content, 72, bits)
        return content[: max(0, int(len(content) * share))]

    if plain:
        scan.write_bytes(bytes(change(bytearray(scan.read_bytes()))))
    else:
        repacked(scan, change)
    return _trial(material, scan, place, f"NIfTI cut to {share:.2f}, bitpix {bits}", dice, REFUSED)


def damaged_file(material: Material, place: Path, dice: random.Random) -> Trial:
    """Any format, cut or with bits flipped where its own checksum must notice."""
    kind = dice.choice(("nii.gz", "nii.gz", "nii", "nrrd", "mha"))
    scan = material.copy(material.scans[kind], place)
    if kind == "nii.gz" and dice.random() < 0.6:
        what = flipped(scan, dice, within=(10, 10**9))
        return _trial(material, scan, place, f"{kind}: {what}", dice, ANY)
    what = truncated(scan, dice)
    whole = scan.read_bytes() == material.scans[kind].read_bytes()
    return _trial(material, scan, place, f"{kind}: {what}", dice, ANY if whole else REFUSED)


def text_header(material: Material, place: Path, dice: random.Random) -> Trial:
    """NRRD and MetaImage with one line of the header changed."""
    kind = dice.choice(("mhd", "nhdr"))
    for path in material.scans[kind].parent.iterdir():
        material.copy(path, place)
    scan = place / material.scans[kind].name
    what = broken_lines(scan, dice, ODD_LINES)
    return _trial(material, scan, place, f"{kind}: {what}", dice)


def large_promise(material: Material, place: Path, dice: random.Random) -> Trial:
    """A few kilobytes that ask for gigabytes."""
    scan = material.copy(material.scans["nii.gz"], place)
    content = bytearray(gzip.decompress(scan.read_bytes())[:352])
    size = dice.choice(((1024, 1024, 1024), (32767, 32767, 2), (512, 512, 4000), (20000, 20000, 12)))
    struct.pack_into("<3h", content, 42, *size)
    rest = bytes(dice.choice((0, 10**6, 60 * 10**6)))
    scan.write_bytes(gzip.compress(bytes(content) + rest, 1, mtime=0))
    return _trial(material, scan, place, f"NIfTI promises {size}", dice, REFUSED)


def odd_voxels(material: Material, place: Path, dice: random.Random) -> Trial:
    """NaN, infinity, constants and giant numbers among the voxels."""
    scan = material.copy(material.scans["nii"], place)
    content = bytearray(scan.read_bytes())
    count = (len(content) - 352) // 4
    value = dice.choice((np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0))
    places = range(count) if dice.random() < 0.3 else dice.sample(range(count), dice.choice((1, 50)))
    for number in places:
        struct.pack_into("<f", content, 352 + 4 * number, value)
    scan.write_bytes(content)
    return Trial(f"{len(places)} voxels are {value}", segment(scan, place / "out", material.bundle))


def no_regular_file(material: Material, place: Path, dice: random.Random) -> Trial:
    """Pipes, devices, folders and links in the place of a scan."""
    import os

    place.mkdir(parents=True, exist_ok=True)
    scan = place / "heart.nii.gz"
    kind = dice.choice(("pipe", "loop", "device", "dangling", "folder", "text"))
    if kind == "pipe":
        os.mkfifo(scan)
    elif kind == "folder":
        scan.mkdir()
    elif kind == "text":
        scan.write_text("this is no image")
    else:
        scan.symlink_to({"loop": scan, "device": "/dev/zero", "dangling": place / "nothing"}[kind])
    return _trial(material, scan, place, f"the scan is a {kind}", dice, REFUSED)


def film_damaged(material: Material, place: Path, dice: random.Random) -> Trial:
    """A film that is cut, damaged or has another header."""
    scan = material.copy(material.film, place)
    if dice.random() < 0.5:
        share = dice.uniform(0.05, 0.98)
        repacked(scan, lambda content: content[: int(len(content) * share)])
        return Trial(f"film cut to {share:.2f}", segment(scan, place / "out", material.bands), REFUSED)
    offset, kind, values = NIFTI_FIELDS[
        dice.choice(("bitpix", "dim0", "dim3", "pixdim3", "datatype", "vox_offset"))
    ]
    value = dice.choice(values)

    def change(content: bytearray) -> None:
        struct.pack_into(kind, content, offset, value)

    repacked(scan, change)
    return Trial(f"film header at {offset} = {value}", segment(scan, place / "out", material.bands))


def series_damaged(material: Material, place: Path, dice: random.Random) -> Trial:
    """A DICOM series with one file cut, changed, missing or foreign."""
    folder = material.copy(material.series, place)
    files = sorted(folder.iterdir())
    victim = dice.choice(files)
    way = dice.choice(("cut", "flip", "empty", "junk", "end missing", "double"))
    if way == "cut":
        truncated(victim, dice)
    elif way == "flip":
        flipped(victim, dice, within=(132, 1500))
    elif way == "empty":
        victim.write_bytes(b"")
    elif way == "junk":
        (folder / "readme.dcm").write_bytes(b"\0" * 128 + b"DICM" + dice.randbytes(300))
    elif way == "end missing":
        files[dice.choice((0, -1))].unlink()
    else:
        (folder / "copy.dcm").write_bytes(victim.read_bytes())
    return Trial(f"series, {victim.name}: {way}", segment(folder, place / "out", material.bundle))


def _trial(
    material: Material,
    scan: Path,
    place: Path,
    what: str,
    dice: random.Random,
    allowed: tuple[int, ...] = ANY,
) -> Trial:
    """Alone or as a cohort of one."""
    more = ("--no-report",) if dice.random() < 0.7 else ()
    out = place / "out"
    return Trial(what, segment(scan, out, material.bundle, *more), allowed, as_undamaged(material, out))


SECTIONS = (
    nifti_field,
    nifti_cut,
    damaged_file,
    text_header,
    large_promise,
    odd_voxels,
    no_regular_file,
    film_damaged,
    series_damaged,
)
