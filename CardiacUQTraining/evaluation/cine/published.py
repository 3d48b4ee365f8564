"""Table 1 of Streaming as printed: never measured by us, never mixed with ours."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = (
    "Liu, Zhong, Wen, Wu: Uncertainty-based ensemble learning in CMR semantic segmentation, ICASSP 2026, "
    "Table 1 (official test sets: ACDC 50 patients, M&Ms 136)"
)


@dataclass(frozen=True)
class PublishedCine:
    """Dice in % (mean of the structures, RV, MYO, LV) and EC in %."""

    title: str
    mean: float
    rv: float
    myo: float
    lv: float
    ec: float


ACDC_ROWS = (
    PublishedCine("2D & 3D U-Nets", 91.92, 90.78, 90.46, 94.54, 49.00),
    PublishedCine("2D-3D FCNN", 88.33, 87.00, 85.50, 92.50, 53.00),
    PublishedCine("TransUNet", 89.71, 88.96, 84.53, 95.73, 52.00),
    PublishedCine("SwinUNet", 90.00, 88.55, 85.62, 95.83, 48.00),
    PublishedCine("Parallel MERIT", 92.32, 90.87, 90.00, 96.08, 51.00),
    PublishedCine("FCT", 93.02, 92.64, 90.51, 95.90, 48.00),
    PublishedCine("1 U-Net", 91.27, 90.62, 87.93, 95.28, 53.00),
    PublishedCine("DeepLabV3+", 89.45, 89.41, 85.23, 93.71, 35.00),
    PublishedCine("U-Net + DeepLabV3+, fixed", 90.90, 90.63, 87.47, 94.60, 70.00),
    PublishedCine("U-Net + DeepLabV3+, stacking", 91.38, 90.75, 88.07, 95.32, 54.00),
    PublishedCine("U-Net + DeepLabV3+, uncertainty", 90.89, 90.41, 87.63, 94.62, 38.00),
    PublishedCine("2 U-Nets, fixed", 91.25, 91.06, 87.59, 95.10, 71.00),
    PublishedCine("2 U-Nets, bagging", 91.71, 90.95, 88.66, 95.53, 73.00),
    PublishedCine("2 U-Nets, augmenting", 69.90, 59.36, 69.60, 80.76, 22.00),
    PublishedCine("2 U-Nets, uncertainty", 92.29, 92.11, 89.04, 95.73, 81.00),
    PublishedCine("3 U-Nets, uncertainty", 92.16, 91.90, 88.99, 95.58, 69.00),
    PublishedCine("4 U-Nets, uncertainty", 91.98, 91.80, 88.71, 95.44, 68.00),
)
MNMS_ROWS = (
    PublishedCine("U-Net + DA + DUNN", 86.62, 86.30, 83.35, 90.20, 76.14),
    PublishedCine("U-Net (ResNet-34)", 87.00, 85.75, 84.10, 91.15, 76.75),
    PublishedCine("nnU-Net", 88.35, 88.50, 85.30, 91.25, 79.48),
    PublishedCine("2 U-Nets, uncertainty", 87.61, 87.70, 83.16, 91.97, 84.93),
    PublishedCine("3 U-Nets, uncertainty", 88.13, 88.36, 83.78, 92.25, 88.13),
)
ROWS = {"acdc": ACDC_ROWS, "mnms": MNMS_ROWS}
