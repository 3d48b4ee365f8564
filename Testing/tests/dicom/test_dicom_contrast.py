"""Magnitude, PSIR or phase: what the headers say is told, mixtures too."""

from __future__ import annotations

import numpy as np
import pytest
from lge_series import ROWS, SLICES, write_slice

from CardiacUQLib.images.dicom_contrast import contrast_notes
from CardiacUQLib.images.reading import read_volume


@pytest.mark.parametrize(
    ("image_type", "description", "words"),
    [
        (r"ORIGINAL\PRIMARY\M\ND", "LGE_SAX_MAG", None),
        (r"ORIGINAL\PRIMARY", "", None),
        (r"ORIGINAL\PRIMARY\R\NORM\PSIR", "", "phase-sensitive"),
        (r"ORIGINAL\PRIMARY\R_IR\R\IR", "", "phase-sensitive"),
        (r"ORIGINAL\PRIMARY\M\ND", "lge_psir_sax", "phase-sensitive"),
        (r"ORIGINAL\PRIMARY\P\ND", "", "phase images"),
    ],
)
def test_reconstruction_is_told(image_type, description, words):
    notes = contrast_notes([image_type] * 5, description)
    if words is None:
        assert notes == ()
    else:
        assert len(notes) == 1
        assert words in notes[0]


def test_mixture_in_one_stack_is_told(tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    for k in range(SLICES):
        kind = "PSIR" if k < 2 else "M"
        pixels = np.arange(ROWS * 64).reshape(ROWS, 64) % 300
        write_slice(folder / f"{k}", pixels, 10.0 * k, "1.2.3.9", k, ImageType=["ORIGINAL", "PRIMARY", kind])
    notes = read_volume(folder).warnings
    assert any("mixes reconstructions (3 magnitude, 2 PSIR images)" in note for note in notes)
