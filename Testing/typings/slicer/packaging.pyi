# The application is only there inside Slicer: every name is known, its type is not.
from typing import Any

def __getattr__(name: str) -> Any: ...
