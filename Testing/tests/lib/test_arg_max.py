"""The most likely class against numpy's own answer, ties and all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from CardiacUQLib.base.arg_max import arg_max


@given(
    p=arrays(
        np.float32,
        st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
        elements=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    ),
    axis=st.integers(0, 3),
)
def test_it_is_the_first_of_the_largest_along_any_axis(p: np.ndarray, axis: int) -> None:
    labels = arg_max(p, axis=axis)
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, p.argmax(axis=axis))


def test_where_nothing_is_likely_it_is_background() -> None:
    assert not arg_max(np.zeros((5, 2, 3, 4), np.float32)).any()


def test_what_it_reads_stays_as_it_was() -> None:
    p = np.array([[0.2, 0.9], [0.8, 0.1]], np.float32)
    kept = p.copy()
    assert arg_max(p).tolist() == [1, 0]
    assert np.array_equal(p, kept)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_view_with_strides_is_read_right(axis: int) -> None:
    p = np.random.default_rng(3).random((4, 4, 7, 6)).astype(np.float32)[:, :, ::2, ::-1]
    assert np.array_equal(arg_max(p, axis=axis), p.argmax(axis=axis))
