"""A slice is called alike everywhere: from 1 for people, from 0 for programs; older tables still read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from CardiacUQLib.cases.component_table import components_to_csv, read_components
from CardiacUQLib.images.slice_number import slice_index, slice_number, slice_range, slices_text
from CardiacUQLib.inference.result import Component

REPOSITORY = Path(__file__).resolve().parents[3]


@given(st.integers(0, 10_000))
def test_numbers_and_indices_undo_each_other(index: int) -> None:
    assert slice_index(slice_number(index)) == index and slice_number(index) >= 1


def test_words() -> None:
    assert (slice_range(2, 2), slice_range(2, 4), slice_range(0, 1, "–")) == ("3", "3-5", "1–2")
    assert slices_text([2]) == "slice 3"
    assert slices_text([0, 1, 4]) == "slices 1, 2, 5"
    assert slices_text(range(9), most=3) == "slices 1, 2, 3 ..."
    assert slices_text(range(3), most=3) == "slices 1, 2, 3"


def component(first: int, last: int) -> Component:
    return Component(1, 2, 3, 40, 900.0, first, last, (1.5, -2.25, 0.1), 0.25, 0.5, 10.0)


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_table_counts_from_one_and_comes_back(first: int, more: int) -> None:
    text = components_to_csv([component(first, first + more)])
    assert text.splitlines()[1].split(",")[5:7] == [str(first + 1), str(first + more + 1)]


def test_tables_of_both_forms_read_alike(tmp_path: Path) -> None:
    wanted = (component(0, 3),)
    newer = components_to_csv(wanted)
    assert ",slice_from,slice_to," in newer and ",1,4," in newer
    older = newer.replace("slice_from,slice_to", "first_slice,last_slice").replace(",1,4,", ",0,3,")
    for name, text in (("newer", newer), ("older", older)):
        path = tmp_path / name
        path.write_text(text, "utf-8")
        assert read_components(path) == wanted


@pytest.mark.parametrize("package", ["CardiacUQ", "CardiacUQTraining"])
def test_no_module_counts_slices_on_its_own(package: str) -> None:
    """Nothing called slice, z or number is shown as ``... + 1`` in a text: :mod:`slice_number` does it."""
    found = []
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.BinOp):
                shown = ast.unparse(node.value)
                if isinstance(node.value.op, ast.Add) and ("slice" in shown or shown.startswith("z +")):
                    found.append(f"{path.name}:{node.lineno}: {shown}")
    assert not found, found
