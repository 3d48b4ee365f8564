"""No text of a table is a formula, and every text comes back."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from CardiacUQLib.base.spreadsheet import cell, read_table, text_of


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1", "＝1", "'x"])
def test_what_would_be_computed_is_marked(text: str) -> None:
    assert cell(text) == f"'{text}"


@given(st.text())
def test_every_text_comes_back(text: str) -> None:
    assert text_of(cell(text)) == text


def test_numbers_stay_numbers() -> None:
    assert cell(-1.5) == -1.5


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_reads_the_same_however_a_spreadsheet_parts_its_columns(
    tmp_path: Path, separator: str, end: str
) -> None:
    lines = [("Path", " ID "), ("a b.nii.gz", "Ünal"), ("c.nii.gz", "")]
    text = end.join([separator.join(line) for line in lines]) + end + end
    (tmp_path / "list.csv").write_bytes(b"\xef\xbb\xbf" + text.encode("utf-8"))
    columns, rows = read_table(tmp_path / "list.csv")
    assert columns == ("path", "id")
    assert rows == [{"path": "a b.nii.gz", "id": "Ünal"}, {"path": "c.nii.gz", "id": ""}]


def test_quoted_cells_may_hold_the_separator(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text('path,folds\n"a,b.nii.gz","0,1"\n', "utf-8")
    assert read_table(tmp_path / "list.csv")[1] == [{"path": "a,b.nii.gz", "folds": "0,1"}]


def test_other_letters_than_utf8_are_told_with_what_helps(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes("path;id\nx.nii;Ünal\n".encode("cp1252"))
    with pytest.raises(csv.Error, match='save it as "CSV UTF-8"'):
        read_table(tmp_path / "list.csv")


def test_an_empty_file_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b"")
    assert read_table(tmp_path / "list.csv") == ((), [])
