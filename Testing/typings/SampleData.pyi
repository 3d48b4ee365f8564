# What Slicer brings along and no package declares: every name is known, its type is not.
from typing import Any

def __getattr__(name: str) -> Any: ...
