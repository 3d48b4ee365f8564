"""The final labels as a DICOM Segmentation of binary segments.

BINARY rather than LABELMAP: Slicer, OHIF and the PACS viewers read it, LABELMAP support is still rare.
2D + t segmentations are not supported by the standard's readers, so every cine phase is its own object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .codes import ARTIFICIAL_INTELLIGENCE, HEART, category_of, concept, describe_private_scheme
from .content import DicomContent
from .source import SourceImages, frames_of

if TYPE_CHECKING:
    from highdicom.seg import Segmentation

MANUFACTURER = "CardiacUQ"
SERIAL_NUMBER = "0"


def origin(content: DicomContent, series_number: int) -> dict[str, Any]:
    """What says where an object of voxels comes from: a series and an instance of its own, our equipment."""
    import highdicom as hd

    return {
        "series_instance_uid": hd.UID(),
        "series_number": series_number,
        "sop_instance_uid": hd.UID(),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": content.algorithm,
        "software_versions": content.algorithm_version,
        "device_serial_number": SERIAL_NUMBER,
        "content_description": "Research use only",
    }


def segmentation_object(
    content: DicomContent, source: SourceImages, *, series_number: int, phase: str = ""
) -> Segmentation:
    """One segment per class that occurs, numbered 1, 2, ... in the order of the label values.

    ``phase`` names the cine phase ("ED") in the series description. Raises ValueError if no voxel is
    labelled: a Segmentation without a segment does not exist.
    """
    import highdicom as hd

    present = [info for info in content.classes if info.value and (content.labels == info.value).any()]
    if not present:
        raise ValueError("no voxel is labelled")
    labels = frames_of(content.labels, source)
    numbered = np.zeros(labels.shape, np.uint8)
    for number, info in enumerate(present, start=1):
        numbered[labels == info.value] = number
    algorithm = hd.AlgorithmIdentificationSequence(
        name=content.algorithm,
        family=concept(ARTIFICIAL_INTELLIGENCE),
        version=content.algorithm_version,
        source="CardiacUQ",
    )
    kind = hd.seg.SegmentAlgorithmTypeValues
    description = (
        f"CardiacUQ segmentation{' ' + phase if phase else ''}{', reviewed' if content.reviewed else ''}"
    )
    segmentation = hd.seg.Segmentation(
        source_images=list(source.datasets),
        pixel_array=numbered,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            hd.seg.SegmentDescription(
                segment_number=number,
                segment_label=info.name,
                segmented_property_category=concept(category_of(info)),
                segmented_property_type=concept(info.code),
                algorithm_type=kind.SEMIAUTOMATIC if content.reviewed else kind.AUTOMATIC,
                algorithm_identification=algorithm,
                tracking_uid=hd.UID(),
                tracking_id=info.name,
                anatomic_regions=[concept(HEART)],
                display_color=hd.color.CIELabColor.from_string(info.colour),
            )
            for number, info in enumerate(present, start=1)
        ],
        **origin(content, series_number),
        content_creator_name=content.reviewer_person_name or None,
        content_label="CARDIACUQ",
        series_description=description,
    )
    describe_private_scheme(segmentation)
    return segmentation
