"""Figures printed in papers, for the tables: never measured by us, never mixed with ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedRow:
    """A row of Table 1 of Schwab et al. (UNSURE 2025): mean and standard deviation over 20 test cases.

    ``ours`` is the key of the row of ours that it corresponds to. Dice in percent.
    """

    title: str
    ours: str
    dice: tuple[float, float]
    auroc: tuple[float, float]
    spearman: tuple[float, float]
    pearson: tuple[float, float]


SOURCE = (
    "Schwab, Haltmeier, Mayr: Disagreement-Driven Uncertainty Quantification in LGE Cardiac MRI, "
    "UNSURE 2025, Table 1 (EMIDEC, 20 withheld cases, training on 80 and on in-house data)"
)

EMIDEC_ROWS: tuple[PublishedRow, ...] = (
    PublishedRow("MC Dropout (2D)", "mc_dropout_2d", (71.2, 10.7), (0.82, 0.07), (0.39, 0.07), (0.37, 0.06)),
    PublishedRow("TTA (2D)", "tta_2d", (70.9, 12.2), (0.85, 0.03), (0.42, 0.05), (0.33, 0.09)),
    PublishedRow("Ensemble (2D)", "ensemble_2d", (71.8, 11.3), (0.86, 0.03), (0.43, 0.04), (0.39, 0.06)),
    PublishedRow(
        "TTA+Ensemble (2D)", "ensemble_tta_2d", (73.4, 11.2), (0.86, 0.03), (0.44, 0.03), (0.39, 0.06)
    ),
    PublishedRow("Cascade+SCS", "scs_cascade", (76.0, 11.1), (0.85, 0.03), (0.39, 0.04), (0.40, 0.07)),
)
