"""`make benchmark-gpu` in small on the processor, so that it runs at once where there is a card."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from cascade_fakes import FakeBundle, small_manifest

from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind, RoiSpec, View
from CardiacUQLib.inference.passes import Arithmetic
from CardiacUQLib.networks import build_network
from CardiacUQLib.networks.spec import Architecture, NetworkSpec

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_gpu", BENCHMARKS / "bench_gpu.py")
    module = importlib.util.module_from_spec(spec)
    before, sys.modules["bench_gpu"] = list(sys.path), module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = before
        del sys.modules["bench_gpu"]


def bundle(**changes) -> FakeBundle:
    torch.manual_seed(0)
    manifest = small_manifest((0,), **changes)
    return FakeBundle(manifest, {(n, 0): build_network(spec) for n, spec in manifest.networks.items()})


def cine() -> FakeBundle:
    spec = NetworkSpec(Architecture.STREAMING_UNET, 3, 4, (4, 4), 0.0)
    networks = {"member0": spec, "member1": spec}
    return bundle(
        kind=BundleKind.STREAMING, classes=CINE_CLASSES, roi=RoiSpec(16, None), networks=networks, weights=()
    )


def case(bench: ModuleType, source: FakeBundle):
    crop = np.random.default_rng(0).random((3, 16, 16), np.float32)
    return bench.Case(source, crop, (0,), (View.IDENTITY, View.HORIZONTAL))


@pytest.mark.filterwarnings("ignore")
def test_every_part_runs_on_the_processor_and_agrees_with_itself(bench):
    cases = [case(bench, bundle()), case(bench, cine())]
    rows, held = bench.measure(CPU, cases, seconds=0.0)
    assert held
    figures = [figure for _, figure, _ in rows]
    for word in ("one stack of 3 slices, 2 passes", "one after another", "most memory"):
        assert word in figures
    networks = {figure.split(",")[0] for figure in figures if figure.endswith("one fold, all views")}
    assert networks == {"stage2d", "stage3d", "member0", "member1"}
    assert sum("steps/s" in value for *_, value in rows) == 2
    assert all(value.endswith("holds") for _, figure, value in rows if figure.startswith("farthest"))
    assert bench.table(rows).count("\n") == len(rows) + 1


def test_parity_notices_a_device_that_computes_something_else(bench):
    wrong = bundle()

    class Wrong(FakeBundle):
        """The second reader gets other weights, as from a device with a fault."""

        def network(self, network, fold, device):
            found = super().network(network, fold, device)
            if self.asked.count((network, fold, "cpu")) > 1:
                with torch.no_grad():
                    found.heads[0].bias.add_(torch.arange(5.0))
            return found

    rows, held = bench.parity(case(bench, Wrong(wrong.manifest, wrong.networks)), Arithmetic(CPU))
    assert not held
    assert "DOES NOT HOLD" in rows[0][2]


def test_without_a_card_it_says_so_and_ends_well(bench, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert bench.main([]) == 0
    assert capsys.readouterr().out.strip() == bench.NO_CARD


def test_the_shipped_bundles_come_with_a_crop_of_their_size(bench):
    for name in bench.BUNDLES:
        found = bench.shipped(name)
        size = found.bundle.manifest.roi.size_px
        assert found.crop.shape == (bench.SLICES, size, size)
        assert found.crop.dtype == np.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_graph_is_replayed_on_a_card(bench):
    rows = bench.graphs(case(bench, bundle()), torch.device("cuda:0"), 0.0)
    assert all("as a graph" in value for *_, value in rows)
