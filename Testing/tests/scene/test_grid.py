"""Any two storage orders of one stack are recognised, any other grid is refused."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from CardiacUQLib.images.orientation import reorder_geometry
from CardiacUQLib.images.volume import Geometry, StorageOrder
from CardiacUQScene.grid import alignment

ORDERS = st.builds(
    StorageOrder,
    st.sampled_from(list(itertools.permutations(range(3)))),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    sizes = st.integers(2, 6)
    steps = st.floats(0.5, 12.0)
    angles = draw(st.tuples(*[st.floats(-3.1, 3.1)] * 3))
    (a, b, c), (s, t, u) = np.cos(angles), np.sin(angles)
    turn = np.array([[1, 0, 0], [0, a, -s], [0, s, a]]) @ np.array([[b, 0, t], [0, 1, 0], [-t, 0, b]])
    turn = turn @ np.array([[c, -u, 0], [u, c, 0], [0, 0, 1]])
    return Geometry(
        draw(st.tuples(sizes, sizes, sizes)),
        draw(st.tuples(steps, steps, steps)),
        draw(st.tuples(*[st.floats(-300.0, 300.0)] * 3)),
        tuple(turn.ravel().tolist()),
    )


@settings(max_examples=60, deadline=None)
@given(case=geometries(), order=ORDERS)
def test_every_reordering_is_found_voxel_for_voxel(case: Geometry, order: StorageOrder) -> None:
    node = reorder_geometry(case, order)
    found = alignment(case, node)
    assert found is not None
    # each voxel carries its own position: after reordering it must be where the node puts it
    indices = np.indices(case.shape).reshape(3, -1).T[:, ::-1]
    places = case.index_to_ras(indices).reshape(*case.shape, 3)
    turned = np.stack([found.from_stored(places[..., n]) for n in range(3)], axis=-1)
    expected = node.index_to_ras(np.indices(node.shape).reshape(3, -1).T[:, ::-1])
    assert np.allclose(turned.reshape(-1, 3), expected, atol=1e-6)
    back = np.stack([found.to_stored(turned[..., n]) for n in range(3)], axis=-1)
    assert np.array_equal(back, places)


@settings(max_examples=40, deadline=None)
@given(case=geometries(), axis=st.integers(0, 2), share=st.floats(0.05, 0.5))
def test_a_shifted_grid_is_another_grid(case: Geometry, axis: int, share: float) -> None:
    step = np.reshape(case.direction, (3, 3))[:, axis] * case.spacing[axis] * share
    origin = tuple((np.asarray(case.origin) + step).tolist())
    assert alignment(case, Geometry(case.size, case.spacing, origin, case.direction)) is None


@settings(max_examples=40, deadline=None)
@given(case=geometries(), axis=st.integers(0, 2), factor=st.floats(1.05, 3.0))
def test_another_spacing_or_size_is_another_grid(case: Geometry, axis: int, factor: float) -> None:
    spacing = tuple(v * (factor if n == axis else 1.0) for n, v in enumerate(case.spacing))
    assert alignment(case, Geometry(case.size, spacing, case.origin, case.direction)) is None
    size = tuple(n + (axis == at) for at, n in enumerate(case.size))
    assume(size != case.size)
    assert alignment(case, Geometry(size, case.spacing, case.origin, case.direction)) is None


def test_single_precision_headers_do_not_matter() -> None:
    case = Geometry((256, 256, 12), (1.458, 1.458, 10.0), (-187.3, -140.2, 33.3), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    noisy = Geometry(
        case.size, tuple(float(np.float32(v)) for v in case.spacing), case.origin, case.direction
    )
    assert alignment(case, noisy) == StorageOrder()
