"""The measures as a structured report: DICOM TID 1500, one group per structure, ventricle and segment.

Intervals are the "range of upper / lower measurement uncertainty" of TID 310 in the unit of the value:
value + upper and value - lower are the ends. Their level is a parameter of the algorithm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..bundles.manifest import Code
from .codes import (
    AHA_SEGMENTS,
    ARTIFICIAL_INTELLIGENCE,
    LEFT_VENTRICLE,
    LOWER_UNCERTAINTY,
    MEASURES,
    MILLILITRE,
    MR_OF_HEART,
    MYOCARDIUM,
    NO_UNITS,
    UPPER_UNCERTAINTY,
    VOLUME,
    concept,
    describe_private_scheme,
    unit_of,
)
from .content import DicomContent
from .judgement import expectations, verdict_item
from .segmentation import MANUFACTURER
from .source import SourceImages

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from highdicom.sr import (
        AlgorithmIdentification,
        ComprehensiveSR,
        Measurement,
        MeasurementsAndQualitativeEvaluations,
        ObservationContext,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

WHOLE_HEART = ("transmurality_mean_percent", "transmurality_max_percent", "infarcted_circumference_percent")
PER_SEGMENT = (
    "infarct_share_percent",
    "transmurality_mean_percent",
    "transmurality_max_percent",
    "infarcted_circumference_percent",
    "wall_thickness_mm",
    "mean_scs",
    "mean_error_probability",
)


def report_object(
    content: DicomContent, source: SourceImages, segmentation: Segmentation | None, *, series_number: int
) -> ComprehensiveSR:
    """The report; ``segmentation`` is the object that the structures' groups refer to, None if empty."""
    import highdicom as hd

    algorithm = _algorithm(content)
    groups: list[Any] = [_ventricle_group(content, source, algorithm)]
    if segmentation is not None:
        groups += _structure_groups(content, segmentation, algorithm)
    groups += _segment_groups(content, source, algorithm)
    report = hd.sr.MeasurementReport(
        observation_context=_observers(content),
        procedure_reported=concept(MR_OF_HEART),
        imaging_measurements=groups,
        referenced_images=list(source.datasets),
    )
    evidence = [*source.datasets] + ([] if segmentation is None else [segmentation])
    document = hd.sr.ComprehensiveSR(
        evidence=evidence,
        content=report[0],
        series_instance_uid=hd.UID(),
        series_number=series_number,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        series_description=f"CardiacUQ measures{', reviewed' if content.reviewed else ''}",
    )
    document.ManufacturerModelName = content.algorithm[:64]
    document.SoftwareVersions = content.algorithm_version
    describe_private_scheme(document)
    return document


def _ventricle_group(
    content: DicomContent, source: SourceImages, algorithm: AlgorithmIdentification
) -> MeasurementsAndQualitativeEvaluations:
    """All sizes of the case with their intervals, referring to every source image."""
    import highdicom as hd

    sizes = content.measures.get("sizes", {})
    found = [measurement(key, entry["value"], entry.get("interval")) for key, entry in sizes.items()]
    found += [measurement(key, content.measures.get(key)) for key in WHOLE_HEART]
    found += [coded_measurement(code, NO_UNITS, value, ends) for code, value, ends in expectations(content)]
    word = verdict_item(content)
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier="Heart"),
        finding_type=concept(LEFT_VENTRICLE),
        algorithm_id=algorithm,
        finding_sites=[hd.sr.FindingSite(concept(LEFT_VENTRICLE))],
        measurements=[one for one in found if one is not None],
        qualitative_evaluations=None if word is None else [word],
        source_images=_references(source),
    )


def _structure_groups(
    content: DicomContent, segmentation: Segmentation, algorithm: AlgorithmIdentification
) -> list[VolumetricROIMeasurementsAndQualitativeEvaluations]:
    """The volume of every segment, bound to that segment."""
    import highdicom as hd

    values = {info.name: info.value for info in content.classes}
    groups = []
    for segment in segmentation.SegmentSequence:
        voxels = int((content.labels == values[segment.SegmentLabel]).sum())
        groups.append(
            hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=hd.sr.TrackingIdentifier(
                    uid=segment.TrackingUID, identifier=segment.TrackingID
                ),
                referenced_segment=hd.sr.ReferencedSegment.from_segmentation(
                    segmentation, segment_number=segment.SegmentNumber
                ),
                finding_type=hd.sr.CodedConcept.from_dataset(segment.SegmentedPropertyTypeCodeSequence[0]),
                algorithm_id=algorithm,
                measurements=[
                    hd.sr.Measurement(
                        name=concept(VOLUME),
                        value=round(voxels * content.geometry.voxel_volume_ml, 4),
                        unit=concept(MILLILITRE),
                    )
                ],
            )
        )
    return groups


def _segment_groups(
    content: DicomContent, source: SourceImages, algorithm: AlgorithmIdentification
) -> list[MeasurementsAndQualitativeEvaluations]:
    """One group per segment; SNOMED codes only where the segments are AHA segments."""
    import highdicom as hd

    segments = content.measures.get("segments") or {}
    groups = []
    for item in segments.get("items", ()):
        found = [one for key in PER_SEGMENT if (one := measurement(key, item[key])) is not None]
        if not found:
            continue
        aha = segments["model"] == "AHA-17" or item["segment"] == 17
        site = AHA_SEGMENTS[item["segment"]] if aha else MYOCARDIUM
        groups.append(
            hd.sr.MeasurementsAndQualitativeEvaluations(
                tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier=item["name"]),
                finding_type=concept(MYOCARDIUM),
                algorithm_id=algorithm,
                finding_sites=[hd.sr.FindingSite(concept(site))],
                measurements=found,
                source_images=_references(source),
            )
        )
    return groups


def measurement(key: str, value: float | None, interval: Sequence[float] | None = None) -> Measurement | None:
    """A measurement with its unit and interval; None where the measure is not defined."""
    return None if value is None else coded_measurement(MEASURES[key], unit_of(key), value, interval)


def coded_measurement(
    code: Code, unit: Code, value: float, interval: Sequence[float] | None = None
) -> Measurement:
    """A measurement of this concept with its interval."""
    import highdicom as hd

    properties = None
    if interval is not None:
        properties = hd.sr.MeasurementProperties()
        properties.append(_uncertainty(UPPER_UNCERTAINTY, interval[1] - value, unit))
        properties.append(_uncertainty(LOWER_UNCERTAINTY, value - interval[0], unit))
    return hd.sr.Measurement(concept(code), value, concept(unit), properties=properties)


def _uncertainty(code: Code, value: float, unit: Code) -> Any:
    """highdicom's own template writes "no units" here; the range has the unit of the value."""
    import highdicom as hd

    return hd.sr.NumContentItem(
        name=concept(code),
        value=round(max(0.0, value), 4),
        unit=concept(unit),
        relationship_type=hd.sr.RelationshipTypeValues.HAS_PROPERTIES,
    )


def _algorithm(content: DicomContent) -> AlgorithmIdentification:
    import highdicom as hd

    return hd.sr.AlgorithmIdentification(
        name=content.algorithm,
        version=content.algorithm_version,
        parameters=interval_parameters(content.measures) + _reference_parameters(content.measures),
        family=concept(ARTIFICIAL_INTELLIGENCE),
        manufacturer=MANUFACTURER,
    )


def interval_parameters(measures: Mapping[str, Any]) -> list[str]:
    """What the uncertainty ranges mean, in words that stay with the numbers."""
    entries = [entry for entry in measures.get("sizes", {}).values() if entry.get("interval")]
    if not entries:
        return ["no intervals"]
    calibrated = all(entry["calibrated"] for entry in entries)
    return [
        f"interval level {entries[0]['level']:.2f}",
        "intervals conformally calibrated"
        if calibrated
        else "intervals: spread of passes, not all calibrated",
    ]


def _reference_parameters(measures: Mapping[str, Any]) -> list[str]:
    segments = measures.get("segments")
    return [] if not segments else [f"segments: {segments['model']}"]


def _observers(content: DicomContent) -> ObservationContext:
    import highdicom as hd

    device = hd.sr.ObserverContext(
        observer_type=hd.sr.CodedConcept("121007", "DCM", "Device"),
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=hd.UID(), name=content.algorithm, manufacturer_name=MANUFACTURER, model_name=content.algorithm
        ),
    )
    if not content.reviewed:
        return hd.sr.ObservationContext(observer_device_context=device)
    person = hd.sr.ObserverContext(
        observer_type=hd.sr.CodedConcept("121006", "DCM", "Person"),
        observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(
            name=content.reviewer_person_name
        ),
    )
    return hd.sr.ObservationContext(observer_person_context=person, observer_device_context=device)


def _references(source: SourceImages) -> list[Any]:
    import highdicom as hd

    return [
        hd.sr.SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID)
        for image in source.datasets
    ]
