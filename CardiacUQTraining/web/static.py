"""The page and its parts, read once: a name is looked up, never opened."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import JSONResponse, Response

FOLDER = Path(__file__).parent / "static"
PAGE = "page.html"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Static:
    """The files of the folder ``static`` in memory."""

    def __init__(self) -> None:
        self._files = {
            path.name: (path.read_bytes(), _TYPES[path.suffix])
            for path in sorted(FOLDER.iterdir())
            if path.suffix in _TYPES
        }

    def page(self) -> Response:
        """The page, without any data."""
        return self.file(PAGE)

    def file(self, name: str) -> Response:
        """One part of it, 404 for any other name."""
        if name not in self._files:
            return JSONResponse({"error": "there is no such file"}, 404)
        content, kind = self._files[name]
        return Response(content, media_type=kind)

    @property
    def weight(self) -> int:
        """Bytes of everything together."""
        return sum(len(content) for content, _ in self._files.values())
