"""Fixtures of this area; their code has a name of its own so that tests may import from it."""

from cli_fixtures import cardiacuq, scan, stack, write_dicom, write_image

__all__ = ["cardiacuq", "scan", "stack", "write_dicom", "write_image"]
