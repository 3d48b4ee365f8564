"""Class probabilities in 255ths: they add up, they come back, and `compare` reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CardiacUQLib.images.probability_file import WHOLE, quantised, write_probabilities
from CardiacUQLib.images.volume import Geometry, Volume
from CardiacUQTraining.evaluation.shared.opinions import read_probabilities

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_they_add_up_and_are_off_by_less_than_one_step(seed: int, classes: int) -> None:
    p = np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), size=40).T
    found = quantised(p)
    assert (found.sum(axis=0, dtype=int) == WHOLE).all()
    assert np.abs(found / WHOLE - p).max() < 1.0 / WHOLE + 1e-9


def test_one_file_on_the_grid_of_the_image_that_compare_reads(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(5), size=(3, 6, 7)).transpose(3, 0, 1, 2)
    p[:, :, 0, 0] = 0.0  # the networks did not look here
    geometry = Geometry((7, 6, 3), (1.5, 1.5, 8.0), (1.0, 2.0, 3.0), IDENTITY)
    volume = Volume(np.zeros((3, 6, 7), np.float32), geometry, geometry)
    path = tmp_path / "probabilities.nrrd"
    write_probabilities(p, volume, path)
    found = read_probabilities(path)
    assert found.volume.geometry.spacing == geometry.spacing
    p[0, :, 0, 0] = 1.0
    np.testing.assert_allclose(found.probabilities, p, atol=1.0 / WHOLE)
    with pytest.raises(ValueError, match="on a volume of shape"):
        write_probabilities(p[:, :2], volume, path)
