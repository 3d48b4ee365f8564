"""What an ensemble costs: parameters, and floating point operations of one pass over one slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from CardiacUQLib.bundles.manifest import Manifest
from CardiacUQLib.inference.ensemble import member_names, opinion_count
from CardiacUQLib.networks import build_network
from CardiacUQLib.networks.spec import NetworkSpec


@dataclass(frozen=True)
class Cost:
    """``parameters`` and ``flops`` (a multiplication and an addition count as two) of one slice of
    ``size_px`` x ``size_px`` pixels, one fold, one view."""

    parameters: int
    flops: int
    size_px: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.parameters + other.parameters, self.flops + other.flops, self.size_px)


def network_cost(spec: NetworkSpec, size_px: int) -> Cost:
    """Cost of one network, counted by torch itself."""
    network = build_network(spec).eval()
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(False), torch.no_grad(), counter:
        network(torch.zeros(1, spec.in_channels, size_px, size_px))
    return Cost(sum(p.numel() for p in network.parameters()), int(counter.get_total_flops()), size_px)


def bundle_cost(manifest: Manifest) -> Mapping[str, Cost]:
    """Cost of every member by name, and of the "ensemble" as their sum; the locator is not counted.

    The members of an *augmenting* bundle share the parameters of their one network.
    """
    size_px = manifest.roi.size_px
    by_spec: dict[NetworkSpec, Cost] = {}
    members = {}
    for name in member_names(manifest):
        spec = manifest.networks[name]
        if spec not in by_spec:
            by_spec[spec] = network_cost(spec, size_px)
        members[name] = by_spec[spec]
    whole = sum(members.values(), start=Cost(0, 0, size_px))
    copies = opinion_count(manifest) // len(members)
    if copies > 1:
        whole = Cost(whole.parameters, copies * whole.flops, size_px)
        members = {f"member{number}": members["member0"] for number in range(copies)}
    return {"ensemble": whole, **members}
