"""Shared by the tests of evaluation and calibration: a tiny cascade and a few labelled phantoms."""

import functools

import numpy as np
import pytest
from evaluation_bundle import write_bundle


@pytest.fixture
def rng():
    return np.random.default_rng(20240917)


@pytest.fixture(scope="session")
def phantoms():
    """Four labelled phantoms, each made only once."""
    from CardiacUQTraining.datasets import phantom

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phantom, "_make", functools.cache(phantom._make))
        yield phantom.phantom_dataset(None, cases=4)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory, phantoms):
    """Two folds; phantom n was held out by fold n modulo 2, the last phantom by none."""
    ids = [case.id for case in phantoms][:3]
    return write_bundle(tmp_path_factory.mktemp("bundle"), {0: tuple(ids[0::2]), 1: tuple(ids[1::2])})
