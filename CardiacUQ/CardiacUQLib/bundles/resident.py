"""A bundle whose networks stay in memory, for whoever runs it over many cases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .bundle import Bundle

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class ResidentBundle(Bundle):
    """A bundle whose networks are read, checked and built once and stay in the memory of this process."""

    loaded: dict[tuple[str, int, str], nn.Module] = field(default_factory=dict, compare=False)
    companions: dict[str, ResidentBundle | None] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, bundle: Bundle) -> ResidentBundle:
        """The same bundle, with nothing loaded yet."""
        return cls(bundle.folder, bundle.manifest, bundle.sha256)

    def network(self, network: str, fold: int, device: str | torch.device = "cpu") -> nn.Module:
        """As :meth:`Bundle.network`; the same module again for the same device."""
        key = (network, fold, str(device))
        if key not in self.loaded:
            self.loaded[key] = super().network(network, fold, device)
        return self.loaded[key]

    def companion(self, name: str) -> Bundle | None:
        """As :meth:`Bundle.companion`, resident too."""
        if name not in self.companions:
            found = super().companion(name)
            self.companions[name] = None if found is None else ResidentBundle.of(found)
        return self.companions[name]
