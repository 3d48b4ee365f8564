"""Maps of a case folder that are read when somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import numpy as np

K = TypeVar("K", bound=str)


class MapsOnDisk(Mapping[K, np.ndarray]):
    """Maps of a case folder by name, each read when first asked for; ``stems`` are their files.

    ``read`` must not lead to the holder of these maps: arrays in a circle stay in memory until the collector
    finds them, which over a queue of cases is late.
    """

    def __init__(self, stems: Mapping[K, str], read: Callable[[str], np.ndarray]) -> None:
        self._stems = dict(stems)
        self._read = read
        self._arrays: dict[K, np.ndarray] = {}

    def __getitem__(self, name: K) -> np.ndarray:
        if name not in self._arrays:
            self._arrays[name] = self._read(self._stems[name])
        return self._arrays[name]

    def __iter__(self) -> Iterator[K]:
        return iter(self._stems)

    def __len__(self) -> int:
        return len(self._stems)
