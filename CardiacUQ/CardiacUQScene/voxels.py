"""numpy arrays (k, j, i) <-> volume nodes and segments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from .grid import as_array, as_vtk, ijk_to_ras

SURFACE = "Closed surface"
LABELMAP = "Binary labelmap"  # vtkSegmentationConverter's name, which Python does not see everywhere


def volume_array(volume: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """The voxels of a scalar volume node: a view (k, j, i), not to be written to."""
    return _view(volume.GetImageData())


def set_volume_array(volume: slicer.vtkMRMLVolumeNode, array: np.ndarray, matrix: np.ndarray) -> None:
    """Give a volume node a copy of ``array`` on the grid ``matrix`` (IJK -> RAS)."""
    image = vtk.vtkImageData()
    _fill(image, array)
    volume.SetIJKToRASMatrix(as_vtk(matrix))
    volume.SetAndObserveImageData(image)


def labelmap(
    array: np.ndarray, matrix: np.ndarray, first: tuple[int, int, int] = (0, 0, 0)
) -> vtk.vtkImageData:
    """An oriented image of uint8 labels on the grid ``matrix``; ``first`` is the index (i, j, k) of its
    first voxel in that grid, so that a box can stand for the whole."""
    image = slicer.vtkOrientedImageData()
    _fill(image, np.asarray(array, np.uint8), first)
    image.SetImageToWorldMatrix(as_vtk(matrix))
    return image


def labels_of(
    segmentation: slicer.vtkMRMLSegmentationNode,
    segments: dict[str, int],
    reference: slicer.vtkMRMLVolumeNode,
    current: np.ndarray | None = None,
) -> np.ndarray:
    """The segments (id -> label) as one uint8 array (k, j, i) on the grid of ``reference``.

    Where two segments overlap, because someone painted with overlap allowed, the label that is not
    in ``current`` wins: it is the newer one.
    """
    shape = reference.GetImageData().GetDimensions()[::-1]
    labels = np.zeros(shape, np.uint8)
    for identifier, label in segments.items():
        mask = segment_mask(segmentation, identifier, reference)
        if mask is None:
            continue
        if current is not None:
            mask = mask & ((labels == 0) | (current != label))
        labels[mask] = label
    return labels


def segment_mask(
    segmentation: slicer.vtkMRMLSegmentationNode, identifier: str, reference: slicer.vtkMRMLVolumeNode
) -> np.ndarray | None:
    """Boolean (k, j, i) of one segment on the grid of ``reference``; None if the segment is gone or empty."""
    segment = segmentation.GetSegmentation().GetSegment(identifier)
    image = segmentation.GetBinaryLabelmapInternalRepresentation(identifier) if segment else None
    if image is None or image.IsEmpty():
        return None
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    if not np.allclose(as_array(matrix), ijk_to_ras(reference), atol=1e-3):
        return _resampled_mask(segmentation, identifier, reference)
    shape = reference.GetImageData().GetDimensions()[::-1]
    mask = np.zeros(shape, bool)
    inside = _view(image) == segment.GetLabelValue()
    i0, i1, j0, j1, k0, k1 = image.GetExtent()
    low = [max(0, -k0), max(0, -j0), max(0, -i0)]
    box = [slice(max(0, a), min(n, b + 1)) for a, b, n in zip((k0, j0, i0), (k1, j1, i1), shape, strict=True)]
    part = tuple(slice(at, at + max(0, s.stop - s.start)) for at, s in zip(low, box, strict=True))
    mask[tuple(box)] = inside[part]
    return mask


def _resampled_mask(
    segmentation: slicer.vtkMRMLSegmentationNode, identifier: str, reference: slicer.vtkMRMLVolumeNode
) -> np.ndarray:
    """A segment that someone moved to another grid (a new source geometry in the Segment Editor)."""
    image = slicer.vtkOrientedImageData()
    segmentation.GetBinaryLabelmapRepresentation(identifier, image)
    dimensions = reference.GetImageData().GetDimensions()
    grid = labelmap(np.zeros(dimensions[::-1], np.uint8), ijk_to_ras(reference))
    resampled = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(image, grid, resampled)
    return _view(resampled) > 0


def write_changes(
    segmentation: slicer.vtkMRMLSegmentationNode,
    segments: dict[str, int],
    before: np.ndarray,
    after: np.ndarray,
    matrix: np.ndarray,
) -> int:
    """Bring the segments (id -> label) from ``before`` to ``after`` (k, j, i); returns the changed voxels.

    Only the changed voxels are written where the segments share one labelmap, as they do unless someone
    has painted. All segments must exist. Segments that are not ours keep their voxels.
    """
    changed = before != after
    if not changed.any():
        return 0
    image = _common_labelmap(segmentation, segments, after.shape, matrix)
    if image is None:
        write_all(segmentation, segments, after, matrix)
    else:
        with _surfaces_renewed(segmentation):
            _view(image)[changed] = after[changed]
            image.GetPointData().GetScalars().Modified()
            image.Modified()
    return int(np.count_nonzero(changed))


def write_all(
    segmentation: slicer.vtkMRMLSegmentationNode,
    segments: dict[str, int],
    labels: np.ndarray,
    matrix: np.ndarray,
) -> None:
    """Give all our segments one new labelmap; needed where editing has split them into several."""
    image = labelmap(labels, matrix)
    modified = segmentation.StartModify()
    with _surfaces_renewed(segmentation):
        for identifier, label in segments.items():
            segment = segmentation.GetSegmentation().GetSegment(identifier)
            segment.SetLabelValue(label)
            segment.AddRepresentation(LABELMAP, image)
    segmentation.EndModify(modified)


def has_overlaps(
    segmentation: slicer.vtkMRMLSegmentationNode,
    segments: dict[str, int],
    labels: np.ndarray,
    reference: slicer.vtkMRMLVolumeNode,
) -> bool:
    """True if a segment holds a voxel that ``labels`` (k, j, i) gives to another one."""
    masks = ((segment_mask(segmentation, key, reference), label) for key, label in segments.items())
    return any(mask is not None and bool((mask & (labels != label)).any()) for mask, label in masks)


def _common_labelmap(
    segmentation: slicer.vtkMRMLSegmentationNode,
    segments: dict[str, int],
    shape: tuple[int, ...],
    matrix: np.ndarray,
) -> vtk.vtkImageData | None:
    """The labelmap that our segments, and only they, share on the whole grid; None if it is not so."""
    content = segmentation.GetSegmentation()
    images = [content.GetSegment(key).GetRepresentation(LABELMAP) for key in segments]
    image = images[0]
    if image is None or any(other is not image for other in images):
        return None
    if any(content.GetSegment(key).GetLabelValue() != label for key, label in segments.items()):
        return None
    everyone = content.GetSegmentIDs()
    if {key for key in everyone if content.GetSegment(key).GetRepresentation(LABELMAP) is image} != set(
        segments
    ):
        return None
    own = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(own)
    whole = image.GetExtent() == (0, shape[2] - 1, 0, shape[1] - 1, 0, shape[0] - 1)
    bytes_only = image.GetScalarType() == vtk.VTK_UNSIGNED_CHAR
    return image if whole and bytes_only and np.allclose(as_array(own), matrix, atol=1e-4) else None


@contextmanager
def _surfaces_renewed(segmentation: slicer.vtkMRMLSegmentationNode) -> Iterator[None]:
    """Changing a labelmap drops the surfaces made from it: make them again if there were any."""
    had_surfaces = segmentation.GetSegmentation().ContainsRepresentation(SURFACE)
    yield
    if had_surfaces:
        segmentation.CreateClosedSurfaceRepresentation()


def _view(image: vtk.vtkImageData) -> np.ndarray:
    scalars = vtk_to_numpy(image.GetPointData().GetScalars())
    return scalars.reshape(image.GetDimensions()[::-1])


def _fill(image: vtk.vtkImageData, array: np.ndarray, first: tuple[int, int, int] = (0, 0, 0)) -> None:
    k, j, i = array.shape
    image.SetExtent(first[0], first[0] + i - 1, first[1], first[1] + j - 1, first[2], first[2] + k - 1)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=True))
