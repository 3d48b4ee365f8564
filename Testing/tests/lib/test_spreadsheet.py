"""No text of a table is a formula, and every text comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from CardiacUQLib.base.spreadsheet import cell, text_of


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1", "＝1", "'x"])
def test_what_would_be_computed_is_marked(text: str) -> None:
    assert cell(text) == f"'{text}"


@given(st.text())
def test_every_text_comes_back(text: str) -> None:
    assert text_of(cell(text)) == text


def test_numbers_stay_numbers() -> None:
    assert cell(-1.5) == -1.5
