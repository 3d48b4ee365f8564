"""Text of DICOM headers in character sets that change inside a value."""

from __future__ import annotations

import pytest

pytest.importorskip("pydicom", reason="headers are read with pydicom")

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from CardiacUQLib.images.dicom_values import text

NAME = Tag(0x0010, 0x0010)


def named(raw: bytes, *sets: str) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = list(sets)
    dataset[NAME] = RawDataElement(NAME, "PN", len(raw), raw, 0, False, True)
    return dataset


def test_a_delimiter_ends_the_character_set_that_was_switched_to():
    """DICOM PS3.5, 6.1.2.5.3: after ``^`` the first set holds again; Korean 0xB1E8, then Latin 0xE9."""
    dataset = named(b"\x1b$)C\xb1\xe8^\xe9 ", "ISO 2022 IR 100", "ISO 2022 IR 149")
    assert text(dataset, "PatientName").strip() == "김^é"


def test_a_value_without_a_switch_is_of_the_first_set():
    assert text(named(b"Andr\xe9", "ISO_IR 100"), "PatientName") == "André"
