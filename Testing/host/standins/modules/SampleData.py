"""Stand-in for the module SampleData: remembers what modules register."""

from __future__ import annotations

from pathlib import Path
from typing import Any

categories: dict[str, str] = {}
sources: list[dict[str, Any]] = []


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str) -> None:
        categories[category] = title

    @staticmethod
    def registerCustomSampleDataSource(
        *,
        category: str,
        sampleName: str,
        uris: str,
        fileNames: str,
        nodeNames: str,
        thumbnailFileName: str,
        customDownloader: Any,
    ) -> None:
        if not Path(thumbnailFileName).is_file():
            raise FileNotFoundError(thumbnailFileName)
        sources.append({"category": category, "name": sampleName, "load": customDownloader})
