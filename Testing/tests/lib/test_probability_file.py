"""Class probabilities in 255ths: they add up, they come back, and `compare` reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.cases.probabilities import read_class_probabilities
from CardiacUQLib.images.orientation import reorder_geometry
from CardiacUQLib.images.probability_file import WHOLE, quantised, write_probabilities
from CardiacUQLib.images.volume import Geometry, StorageOrder, Volume
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


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1)])
def test_a_point_in_words(tmp_path: Path, axes: tuple[int, int, int]) -> None:
    """On a grid whose slices run along any axis of the file."""
    storage = StorageOrder(axes, (True, False, False))
    stored = Geometry((7, 6, 5), (1.5, 2.0, 8.0), (1.0, 2.0, 3.0), IDENTITY)
    p = np.zeros((5, *np.zeros(stored.shape).transpose(axes).shape))
    p[0] = 1.0
    p[:, 1, 2, 3] = (0.04, 0.0, 0.30, 0.62, 0.04)
    geometry = reorder_geometry(stored, storage)
    volume = Volume(np.zeros(p.shape[1:], np.float32), geometry, stored, storage)
    write_probabilities(p, volume, tmp_path / "probabilities.nrrd")
    found = read_class_probabilities(tmp_path, LGE_CLASSES)
    assert found is not None
    at = geometry.index_to_ras(np.array([3, 2, 1]))
    assert found.words_at(at) == "infarct 62 %, healthy myocardium 30 %"
    assert found.words_at(geometry.index_to_ras(np.array([0, 0, 0]))) == "background 100 %"
    assert found.words_at((1e4, 0.0, 0.0)) == ""
    with pytest.raises(InputError, match=r"holds 5 values .* not 4 bytes"):
        read_class_probabilities(tmp_path, CINE_CLASSES)


def test_a_case_without_the_file_has_none(tmp_path: Path) -> None:
    assert read_class_probabilities(tmp_path, LGE_CLASSES) is None
