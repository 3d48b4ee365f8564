"""The maps of a case folder, each read when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from ..bundles.map_catalogue import MapName


class MapsOnDisk(Mapping[MapName, np.ndarray]):
    """The maps of a case folder by name, each read when first asked for."""

    def __init__(self, names: Sequence[MapName], read: Callable[[str], np.ndarray]) -> None:
        self._names = tuple(names)
        self._read = read
        self._arrays: dict[MapName, np.ndarray] = {}

    def __getitem__(self, name: MapName) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._arrays:
            self._arrays[name] = self._read(MapName(name).value)
        return self._arrays[name]

    def __iter__(self) -> Iterator[MapName]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
